//! Resolves the names of targets, again and again.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::{Lookup, Watched};
use crate::trace::{Resolution, resolve};

/// How long looking a name up may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer is kept at least, and at most, whatever it says.
const KEPT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How long what /etc/hosts says is kept, and that there is no answer.
const SOON: Duration = Duration::from_secs(5);

/// What became of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its addresses, or why it has none.
    pub(super) result: Result<Vec<IpAddr>, String>,
    /// When to ask again.
    pub(super) again: Duration,
}

/// Looks a name up. It ends early when `stop` becomes readable.
pub(super) fn look_up(name: &str, stop: BorrowedFd<'_>) -> Found {
    let resolution: Resolution = resolve(name, TIMEOUT, stop);
    found(resolution.outcome(), resolution.addresses(), resolution.ttl())
}

fn found(outcome: &str, addresses: &[IpAddr], ttl: Option<u32>) -> Found {
    let kept = ttl.map(|ttl| Duration::from_secs(ttl.into()).clamp(KEPT.0, KEPT.1));
    match addresses {
        [] => Found { result: Err(outcome.to_owned()), again: SOON },
        addresses => Found { result: Ok(addresses.to_vec()), again: kept.unwrap_or(SOON) },
    }
}

/// Keeps those who need a name informed of its addresses. `looked_up` is dropped when it was asked for once.
pub(super) async fn keep(
    name: String,
    watched: Vec<Arc<Watched>>,
    lookup: Lookup,
    begin: Instant,
    looked_up: mpsc::Sender<()>,
) {
    let mut looked_up = Some(looked_up);
    loop {
        let (lookup, asked) = (lookup.clone(), name.clone());
        let Ok(found) = tokio::task::spawn_blocking(move || lookup(&asked)).await else { return };
        for watched in &watched {
            watched.pool.resolved(&name, found.result.clone(), begin.elapsed());
            watched.changed.notify_one();
        }
        looked_up.take();
        tokio::time::sleep(found.again).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_for_as_long_as_they_say_within_bounds() {
        let addresses = [IpAddr::from([192, 0, 2, 1])];
        let again = |ttl| found("found", &addresses, ttl).again.as_secs();
        assert_eq!([again(Some(0)), again(Some(60)), again(Some(86_400)), again(None)], [1, 60, 300, 5]);
        let nothing = Found { result: Err("no such name".into()), again: Duration::from_secs(5) };
        assert_eq!(found("no such name", &[], None), nothing);
    }
}
