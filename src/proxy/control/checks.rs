//! Checks targets by connecting to them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep_until, timeout};

use super::Watched;
use crate::proxy::balance::{Checked, Failure, Pool};
use crate::proxy::config::Check;
use crate::proxy::failure::failure;

/// Checks whatever targets a pool has, until this is dropped.
pub(super) async fn keep(watched: Arc<Watched>, slots: Arc<Semaphore>, begin: Instant) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<(u64, SocketAddr), AbortHandle> = HashMap::new();
    while let Some(Checked { check, targets }) = watched.pool.to_check() {
        let mut before = std::mem::take(&mut running);
        for (id, address) in targets {
            let handle = before.remove(&(id, address)).unwrap_or_else(|| {
                tasks.spawn(repeat(id, address, check.clone(), watched.pool.clone(), slots.clone(), begin))
            });
            running.insert((id, address), handle);
        }
        for handle in before.into_values() {
            handle.abort();
        }
        while tasks.try_join_next().is_some() {}
        watched.changed.notified().await;
    }
}

/// Checks a target time and again: at once, and then from interval to interval.
async fn repeat(id: u64, address: SocketAddr, check: Check, pool: Arc<Pool>, slots: Arc<Semaphore>, begin: Instant) {
    let random = RandomState::new();
    for round in 0_u64.. {
        let due = tokio::time::Instant::now();
        // Nobody closes the semaphore.
        let Ok(slot) = slots.acquire().await else { return };
        let result = connect(address, check.timeout).await;
        drop(slot);
        pool.checked(id, result, begin.elapsed());
        sleep_until(due + moved(&check, random.hash_one(round))).await;
    }
}

/// The interval, moved at random.
fn moved(check: &Check, random: u64) -> Duration {
    let span = check.interval / 100 * check.jitter;
    let parts = u32::try_from(random >> 32).unwrap_or_default();
    check.interval - span + Duration::from_secs_f64(2.0 * span.as_secs_f64() * f64::from(parts) / f64::from(u32::MAX))
}

/// Connects, and closes in the ordinary way.
async fn connect(address: SocketAddr, within: Duration) -> Result<Duration, Failure> {
    let clock = Instant::now();
    let connected = timeout(within, TcpStream::connect(address)).await.map_err(|_| Failure::Timeout)?;
    let stream = connected.map_err(|error| failure(&error, address))?;
    let latency = clock.elapsed();
    // Where nobody listens on a port of this host, a connection that happens to come from that port meets itself
    // (RFC 9293, section 3.5, on simultaneous opens).
    let is_itself = stream.local_addr().is_ok_and(|local| local == address);
    if is_itself { Err(Failure::Refused) } else { Ok(latency) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_moved_by_a_part_of_the_interval() {
        let check = Check { interval: Duration::from_secs(2), jitter: 10, ..Check::default() };
        assert_eq!(moved(&check, 0), Duration::from_millis(1800));
        assert_eq!(moved(&check, u64::MAX), Duration::from_millis(2200));
        assert_eq!(moved(&Check { jitter: 0, ..check }, u64::MAX), Duration::from_secs(2));
    }
}
