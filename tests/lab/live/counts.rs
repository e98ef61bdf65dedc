//! What was sent is either captured or counted as lost.

use super::wire::Wire;
use super::{PACKETS, incident};
use crate::program::Ended;
use crate::support::needs;

/// What the loss summary says: captured, received, dropped.
fn counts(ended: &Ended) -> [u32; 3] {
    let summary = ended.stderr.lines().find(|line| line.contains(" packets captured, "));
    let summary = summary.unwrap_or_else(|| panic!("{}", ended.stderr));
    let numbers = summary.split(' ').filter_map(|word| word.replace(',', "").parse().ok());
    numbers.collect::<Vec<_>>()[..3].try_into().unwrap()
}

#[test]
fn packets_that_the_kernel_still_holds_at_ctrl_c_are_delivered() {
    needs!("tcpreplay");
    let wire = Wire::new();
    let options = ["eval", "-i", "eth0", "--duration", "forever", "capture().count()"];
    let listening = wire.listen(&options);
    wire.send("eth0", &incident(), 100);
    // The last of them have been sent this very moment.
    let ended = listening.interrupted();
    let sent = PACKETS * 100;
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), &*sent.to_string()), "{}", ended.stderr);
    assert_eq!(counts(&ended), [sent, sent, 0]);
}

#[test]
fn a_ring_that_is_too_small_makes_a_loss_that_is_counted_exactly() {
    needs!("tcpreplay");
    let wire = Wire::new();
    // Every packet costs more time than it takes to send some more.
    let slowly = "capture().filter(|p| { for i in 0..300 {} true }).count()";
    let options = ["eval", "-i", "eth0", "-B", "256", "--duration", "forever", slowly];
    let listening = wire.listen(&options);
    wire.send("eth0", &incident(), 100);
    let ended = listening.interrupted();
    let [captured, received, dropped] = counts(&ended);
    let sent = PACKETS * 100;
    assert!(dropped > 0 && captured > 0, "{}", ended.stderr);
    assert_eq!((received, captured + dropped), (sent, sent), "{}", ended.stderr);
    assert_eq!(ended.code, Some(3), "what was not seen could have mattered: {}", ended.stderr);
}
