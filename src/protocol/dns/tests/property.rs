//! Whatever is asked and answered in which order: every message is told once.

use super::*;

/// Numbers that look random and are always the same (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn has_query(row: &DnsQuery) -> bool {
    row.query.is_some()
}

#[test]
fn every_query_and_every_answer_is_told_once() {
    for seed in 1..300_u64 {
        let mut random = Random(seed);
        let limits = Limits { dns_pending_bytes: 6_000, ..Limits::default() };
        let mut scene = Scene::within(&limits);
        let (mut asked, mut answered, mut milliseconds) = (0, 0, 0);
        for _ in 0..60 {
            // Longer than what is taken for the same packet, captured again; now and then longer than queries wait.
            milliseconds += if random.below(10) == 0 { 31_000 } else { 11 + i64::try_from(random.below(200)).unwrap() };
            let client = ["192.0.2.1:40000", "192.0.2.1:40001"][usize::from(random.below(2) == 0)];
            let id = u16::try_from(random.below(3)).unwrap();
            let name = ["a.example", "b.example", "c.example"][usize::try_from(random.below(3)).unwrap()];
            scene = scene.at(milliseconds);
            scene = if random.below(2) == 0 {
                asked += 1;
                scene.udp([client, SERVER], ask(id, name))
            } else {
                answered += 1;
                scene.udp([SERVER, client], answer(id, name, 9))
            };
        }
        while scene.table.finish(1, &mut scene.observer) {}
        let told = &scene.observer.told;
        let queries: u32 = told.iter().filter(|row| has_query(row)).map(|row| 1 + row.retries).sum();
        assert_eq!(queries, asked, "seed {seed}");
        assert_eq!(told.iter().filter(|row| row.rcode().is_some()).count(), answered, "seed {seed}");
        let accused = told.iter().filter(|row| field(row, "flags").contains("no-answer"));
        assert!(accused.clone().all(|row| row.answered().is_none()), "seed {seed}");
    }
}
