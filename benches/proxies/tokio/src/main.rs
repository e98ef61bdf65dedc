//! A plain round-robin proxy with tokio: `copy_bidirectional` on two threads. tokio-copy LISTEN TARGET…

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// Bytes that each direction keeps at hand.
const BUFFER: usize = 64 << 10;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().expect("an address to listen on");
    let targets: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        for number in 0.. {
            let (mut client, _) = listener.accept().await?;
            let target = targets[number % targets.len()].clone();
            tokio::spawn(async move {
                let Ok(mut target) = TcpStream::connect(target).await else { return };
                // What cannot be set costs time, and nothing else.
                let _ = (client.set_nodelay(true), target.set_nodelay(true));
                let _ = copy_bidirectional_with_sizes(&mut client, &mut target, BUFFER, BUFFER).await;
            });
        }
        Ok(())
    })
}
