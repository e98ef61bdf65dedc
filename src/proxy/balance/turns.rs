//! Whose turn it is.

/// How one of them stands.
#[derive(Debug, Clone, Default)]
struct Turn {
    /// What it should have had and has not, in parts of [`Turns::unit`].
    owed: i64,
    /// Its share; 0: it takes no part for now.
    weight: i64,
    /// It takes part, but does not want this turn.
    barred: bool,
    /// It took part last time.
    within: bool,
}

/// Whose turn it is: smooth weighted round robin, and the fewest connections.
///
/// At each turn, everybody is owed his share of it; who is owed most gets it; of several, the first behind who had the
/// last one. With equal shares that is one after the other, whoever comes, goes or is barred in between.
#[derive(Debug, Default)]
pub(super) struct Turns {
    turns: Vec<Turn>,
    /// The sum of the weights, when somebody was last owed something.
    unit: i64,
    last: Option<usize>,
}

impl Turns {
    /// Goes on with others: of each, the place that it had so far.
    pub(super) fn rearrange(&mut self, before: &[Option<usize>]) {
        let turn = |place: &Option<usize>| place.map_or_else(Turn::default, |place| self.turns[place].clone());
        let turns = before.iter().map(turn).collect();
        // If who had the last turn is gone, it was that of the one before him.
        let had = |place: &Option<usize>| place.is_some() && *place <= self.last;
        self.last = self.last.and_then(|_| before.iter().rposition(had));
        self.turns = turns;
    }

    /// Says how somebody takes part in the next turn: with a weight of 0 he does not, and when `barred` he only looks
    /// on.
    pub(super) fn enter(&mut self, place: usize, weight: i64, barred: bool) {
        let turn = &mut self.turns[place];
        (turn.weight, turn.barred) = (weight, barred);
    }

    /// The next one by weight.
    pub(super) fn next_by_weight(&mut self) -> Option<usize> {
        if !self.turns.iter().any(|turn| turn.weight > 0 && !turn.barred) {
            return None;
        }
        let unit = self.turns.iter().map(|turn| turn.weight).sum();
        if self.unit != unit && self.unit != 0 {
            for turn in &mut self.turns {
                // Rounding down keeps whole turns whole, so that equal shares stay exact.
                let owed = (i128::from(turn.owed) * i128::from(unit)).div_euclid(i128::from(self.unit));
                turn.owed = i64::try_from(owed).unwrap_or(0);
            }
        }
        self.unit = unit;
        let most = self.turns.iter().filter(|turn| turn.within && turn.weight > 0).map(|turn| turn.owed).max();
        for turn in &mut self.turns {
            let is_within = turn.weight > 0;
            // Who comes back is owed nothing for the time that he was away.
            if is_within && !turn.within {
                turn.owed = most.unwrap_or(0);
            }
            turn.within = is_within;
            turn.owed += turn.weight;
        }
        let place = self.best(|this, best| this.owed > best.owed)?;
        let owed = self.turns[place].owed;
        // Who is barred time and again does not save up for it.
        for turn in self.turns.iter_mut().filter(|turn| turn.barred) {
            turn.owed = turn.owed.min(owed);
        }
        self.turns[place].owed -= unit;
        self.last = Some(place);
        Some(place)
    }

    /// The next one by what each has for its weight.
    pub(super) fn next_by_load(&mut self, loads: &[usize]) -> Option<usize> {
        let load = |place: usize| loads[place] as u128;
        let weight = |place: usize| u128::from(self.turns[place].weight.unsigned_abs());
        let place = self.best_place(|this, best| load(this) * weight(best) < load(best) * weight(this))?;
        self.last = Some(place);
        Some(place)
    }

    fn best(&self, is_better: impl Fn(&Turn, &Turn) -> bool) -> Option<usize> {
        self.best_place(|this, best| is_better(&self.turns[this], &self.turns[best]))
    }

    /// The best of those who want the turn; of equals, the first behind who had the last one.
    fn best_place(&self, is_better: impl Fn(usize, usize) -> bool) -> Option<usize> {
        let begin = self.last.map_or(0, |last| last + 1);
        let places = (begin..self.turns.len()).chain(0..begin.min(self.turns.len()));
        let candidates = places.filter(|&place| self.turns[place].weight > 0 && !self.turns[place].barred);
        candidates.reduce(|best, this| if is_better(this, best) { this } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(count: usize) -> Turns {
        let mut turns = Turns::default();
        turns.rearrange(&vec![None; count]);
        turns
    }

    /// The next ones, as letters; a weight of 0 takes no part.
    fn next(turns: &mut Turns, count: usize, weights: &[i64], barred: &[usize]) -> String {
        let letter = |_| {
            for (place, weight) in weights.iter().enumerate() {
                turns.enter(place, *weight, barred.contains(&place));
            }
            turns.next_by_weight().map_or('-', |place| char::from(b'A' + u8::try_from(place).unwrap()))
        };
        (0..count).map(letter).collect()
    }

    #[test]
    fn equal_shares_come_one_after_the_other() {
        assert_eq!(next(&mut turns(3), 9, &[1, 1, 1], &[]), "ABCABCABC");
        assert_eq!(next(&mut turns(3), 7, &[700, 700, 700], &[]), "ABCABCA");
    }

    #[test]
    fn whoever_is_left_out_does_not_disturb_the_others() {
        let mut turns = turns(4);
        assert_eq!(next(&mut turns, 5, &[1, 1, 1, 1], &[]), "ABCDA");
        assert_eq!(next(&mut turns, 5, &[1, 0, 1, 1], &[]), "CDACD");
        assert_eq!(next(&mut turns, 6, &[1, 1, 1, 1], &[]), "ABCDAB");
        assert_eq!(next(&mut turns, 4, &[1, 0, 0, 1], &[]), "DADA");
        assert_eq!(next(&mut turns, 3, &[0, 0, 0, 1], &[]), "DDD");
        assert_eq!(next(&mut turns, 1, &[0, 0, 0, 0], &[]), "-");
        assert_eq!(next(&mut turns, 8, &[1, 1, 1, 1], &[]), "ABCDABCD");
    }

    #[test]
    fn whoever_is_barred_once_loses_nothing_and_gains_nothing() {
        let mut turns = turns(3);
        assert_eq!(next(&mut turns, 1, &[1, 1, 1], &[]), "A");
        // A connection that found A refusing goes on to the next one.
        assert_eq!(next(&mut turns, 1, &[1, 1, 1], &[0]), "B");
        assert_eq!(next(&mut turns, 4, &[1, 1, 1], &[]), "CABC");
        assert_eq!(next(&mut turns, 50, &[1, 1, 1], &[0]), "BC".repeat(25));
        assert_eq!(next(&mut turns, 6, &[1, 1, 1], &[]), "ABCABC");
        assert_eq!(next(&mut turns, 1, &[1, 1, 1], &[0, 1, 2]), "-");
        assert_eq!(next(&mut turns, 3, &[1, 1, 1], &[]), "ABC");
    }

    #[test]
    fn weights_are_served_smoothly() {
        assert_eq!(next(&mut turns(3), 14, &[5, 1, 1], &[]), "AABACAAAABACAA");
        assert_eq!(next(&mut turns(2), 6, &[1, 2], &[]), "BABBAB");
    }

    #[test]
    fn full_cycles_give_exact_shares() {
        let mut seed = 7_u64;
        for _ in 0..200 {
            let mut random = |most: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % most
            };
            let count = 1 + random(6);
            let weights: Vec<i64> = (0..count).map(|_| i64::try_from(1 + random(9)).unwrap()).collect();
            let mut turns = turns(weights.len());
            let cycle = usize::try_from(weights.iter().sum::<i64>()).unwrap();
            for _ in 0..3 {
                let picks = next(&mut turns, cycle, &weights, &[]);
                for (letter, weight) in ('A'..).zip(&weights) {
                    assert_eq!(i64::try_from(picks.matches(letter).count()), Ok(*weight), "{weights:?} {picks}");
                }
            }
        }
    }

    #[test]
    fn who_flaps_does_not_starve_those_with_small_shares() {
        let mut turns = turns(3);
        let picks: String = (0..50).map(|at| next(&mut turns, 1, &[8, 1, i64::from(at % 2 == 0)], &[])).collect();
        assert!(picks.matches('B').count() >= 4, "{picks}");
    }

    #[test]
    fn those_who_stay_keep_their_turn() {
        let mut turns = turns(3);
        assert_eq!(next(&mut turns, 2, &[1, 1, 1], &[]), "AB");
        // B goes, D comes behind C.
        turns.rearrange(&[Some(0), Some(2), None]);
        assert_eq!(next(&mut turns, 6, &[1, 1, 1], &[]), "BCABCA");
        turns.rearrange(&[]);
        assert_eq!(next(&mut turns, 1, &[], &[]), "-");
        turns.rearrange(&[None, None]);
        assert_eq!(next(&mut turns, 3, &[1, 1], &[]), "ABA");
    }

    #[test]
    fn the_fewest_for_their_weight_come_first_and_equals_in_turn() {
        let mut turns = turns(3);
        let mut least = |loads: [usize; 3], weights: [i64; 3]| {
            for (place, weight) in weights.into_iter().enumerate() {
                turns.enter(place, weight, false);
            }
            turns.next_by_load(&loads)
        };
        assert_eq!([least([0; 3], [1; 3]), least([0; 3], [1; 3]), least([0; 3], [1; 3])], [Some(0), Some(1), Some(2)]);
        assert_eq!(least([2, 1, 2], [1, 1, 1]), Some(1));
        assert_eq!(least([3, 2, 2], [3, 1, 1]), Some(0));
        assert_eq!(least([9, 0, 9], [1, 0, 1]), Some(2));
        assert_eq!(least([0; 3], [0; 3]), None);
    }
}
