//! Pools whose targets come and go.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::proxy::config::{App, Balance, Check, Outlier};

/// A pool, what it tells, and a clock.
struct Bench {
    pool: Pool,
    told: Arc<Mutex<Vec<String>>>,
    now: Duration,
}

fn app() -> App {
    let mut app = App::sample("x", &[80], &["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"]);
    app.passive.fall = 3;
    app
}

fn checked() -> App {
    App { check: Some(Check::default()), ..app() }
}

impl Bench {
    fn of(app: &App) -> Self {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let sink = told.clone();
        let tell = Tell::new(move |change| sink.lock().unwrap().push(change.to_string()));
        Self { pool: Pool::of(app, tell, Duration::ZERO), told, now: Duration::ZERO }
    }

    fn after(&mut self, seconds: f64) -> &mut Self {
        self.now += Duration::from_secs_f64(seconds);
        self
    }

    /// The last digits of the addresses of the next ones; `-`: there is none.
    fn next(&self, count: usize) -> String {
        let last = |target: Arc<Target>| target.address().to_string().chars().last().unwrap();
        (0..count).map(|_| self.pool.pick(&[], self.now).map_or('-', last)).collect()
    }

    /// The target whose address ends so.
    fn target(&self, digit: char) -> Arc<Target> {
        let targets = self.pool.states(self.now).into_iter().filter_map(|status| status.target);
        targets.into_iter().find(|target| target.address().to_string().ends_with(digit)).unwrap()
    }

    fn check(&self, digit: char, result: Result<u64, Failure>) {
        self.pool.checked(self.target(digit).id(), result.map(Duration::from_millis), self.now);
    }

    fn fail(&self, digit: char, failure: Failure) {
        self.pool.failed(&self.target(digit), failure, self.now);
    }

    fn succeed(&self, digit: char) {
        self.pool.succeeded(&self.target(digit), self.now);
    }

    fn states(&self) -> String {
        let states = self.pool.states(self.now);
        states.iter().map(|status| status.state.name()).collect::<Vec<_>>().join(" ")
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

const REFUSED: Failure = Failure::Refused;

#[test]
fn each_gets_exactly_its_share_whoever_picks() {
    let bench = Bench::of(&app());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..9_999 {
                    bench.pool.pick(&[], Duration::ZERO).unwrap().begin();
                }
            });
        }
    });
    assert_eq!(['1', '2', '3'].map(|digit| bench.target(digit).begun()), [26_664; 3]);
}

#[test]
fn a_target_that_was_tried_is_not_picked_again() {
    let bench = Bench::of(&app());
    let [one, two, three] = ['1', '2', '3'].map(|digit| bench.target(digit).id());
    assert_eq!(bench.pool.pick(&[one], bench.now).unwrap().id(), two);
    assert_eq!(bench.pool.pick(&[one, two], bench.now).unwrap().id(), three);
    assert!(bench.pool.pick(&[one, two, three], bench.now).is_none());
}

#[test]
fn the_first_check_decides_at_once_and_later_ones_in_a_row() {
    let mut bench = Bench::of(&checked());
    assert_eq!((bench.states().as_str(), bench.next(3).as_str()), ("unchecked unchecked unchecked", "123"));
    bench.check('1', Ok(4));
    bench.check('2', Err(REFUSED));
    assert_eq!((bench.states().as_str(), bench.next(4).as_str()), ("up down unchecked", "1313"));
    assert_eq!(bench.told(), ["target 192.0.2.2:2 of app x is down: connection refused"]);
    bench.after(2.0).check('2', Ok(4));
    bench.check('2', Err(REFUSED));
    bench.check('2', Ok(4));
    assert_eq!(bench.states(), "up down unchecked");
    bench.check('2', Ok(4));
    assert_eq!((bench.states().as_str(), bench.next(4).as_str()), ("up up unchecked", "1231"));
    assert_eq!(bench.told(), ["target 192.0.2.2:2 of app x is up again"]);
    for result in [Err(REFUSED), Err(REFUSED), Ok(5), Err(REFUSED), Err(Failure::Local), Err(REFUSED)] {
        bench.check('1', result);
    }
    assert_eq!((bench.states().as_str(), bench.told().len()), ("up up unchecked", 0));
    bench.after(1.0).check('1', Err(Failure::Timeout));
    let status = bench.pool.states(bench.now).remove(0);
    assert_eq!((status.state, status.since), (State::Down, Duration::from_secs(3)));
    assert_eq!(status.reason.as_deref(), Some("no answer in time"));
    assert_eq!(status.latency, Some(Duration::from_millis(5)));
}

#[test]
fn failures_of_this_host_accuse_nobody() {
    let bench = Bench::of(&checked());
    for _ in 0..10 {
        bench.fail('1', Failure::Local);
        bench.check('2', Err(Failure::Local));
    }
    assert_eq!((bench.states().as_str(), bench.target('1').failed()), ("unchecked unchecked unchecked", 0));
}

#[test]
fn failures_in_a_row_take_a_target_out_and_checks_bring_it_back() {
    let mut bench = Bench::of(&checked());
    bench.check('1', Ok(1));
    for _ in 0..4 {
        bench.fail('1', REFUSED);
        bench.fail('1', Failure::Reset);
        bench.succeed('1');
    }
    assert!(bench.states().starts_with("up"));
    bench.fail('1', REFUSED);
    bench.fail('1', REFUSED);
    bench.fail('1', Failure::Reset);
    assert_eq!(bench.told(), ["target 192.0.2.1:1 of app x is down: connection reset"]);
    assert_eq!(bench.target('1').failed(), 11);
    // Connections that were under way, and time, say nothing against it.
    bench.after(3600.0).succeed('1');
    assert_eq!(bench.next(4), "2323");
    bench.check('1', Ok(1));
    assert!(bench.states().starts_with("down"));
    bench.check('1', Ok(1));
    assert!(bench.states().starts_with("up"));
    // It begins anew.
    bench.fail('1', REFUSED);
    assert!(bench.states().starts_with("up"));
}

#[test]
fn without_checks_one_connection_tries_again_after_a_while() {
    let mut bench = Bench::of(&app());
    for _ in 0..3 {
        bench.fail('2', REFUSED);
    }
    assert_eq!(bench.next(4), "1313");
    assert_eq!(bench.after(9.9).next(2), "13");
    assert_eq!(bench.after(0.2).next(6), "123131");
    bench.fail('2', REFUSED);
    assert_eq!(bench.after(9.9).next(2), "31");
    assert_eq!(bench.after(0.2).next(3), "231");
    bench.succeed('2');
    assert_eq!(bench.next(4), "2312");
    assert_eq!(
        bench.told(),
        ["target 192.0.2.2:2 of app x is down: connection refused", "target 192.0.2.2:2 of app x is up again"]
    );
}

#[test]
fn a_trial_that_nobody_hears_of_again_does_not_keep_a_target_out() {
    let mut bench = Bench::of(&app());
    for _ in 0..3 {
        bench.fail('2', REFUSED);
    }
    assert_eq!(bench.after(10.0).next(3), "123");
    assert_eq!(bench.after(10.0).next(3), "123");
}

#[test]
fn if_all_are_down_there_is_none_until_one_is_up() {
    let mut bench = Bench::of(&checked());
    for digit in ['1', '2', '3'] {
        bench.check(digit, Err(REFUSED));
    }
    assert_eq!((bench.next(2).as_str(), bench.pool.candidates(bench.now).len()), ("--", 0));
    bench.after(2.0).check('2', Ok(1));
    bench.check('2', Ok(1));
    assert_eq!((bench.next(2).as_str(), bench.pool.candidates(bench.now).len()), ("22", 1));
}

#[test]
fn who_fails_too_often_is_ejected_for_a_while() {
    let mut app = app();
    app.passive.fall = 0;
    app.outlier = Some(Outlier::default());
    let mut bench = Bench::of(&app);
    let mix = |bench: &Bench, digit| {
        for _ in 0..5 {
            bench.succeed(digit);
            bench.fail(digit, Failure::Reset);
        }
    };
    for _ in 0..9 {
        bench.fail('1', REFUSED);
    }
    // What was more than ten seconds ago counts no more.
    bench.after(10.0);
    mix(&bench, '1');
    assert_eq!(bench.states(), "ejected unchecked unchecked");
    assert_eq!(
        bench.told(),
        ["target 192.0.2.1:1 of app x is ejected: 5 of 10 connections failed, the last with connection reset"]
    );
    mix(&bench, '2');
    mix(&bench, '3');
    assert_eq!((bench.states().as_str(), bench.next(3).as_str()), ("ejected ejected up", "333"));
    bench.told();
    assert_eq!(bench.after(29.9).next(2), "33");
    assert_eq!(bench.after(0.1).next(3), "123");
    assert_eq!(bench.told(), ["target 192.0.2.1:1 of app x is up again", "target 192.0.2.2:2 of app x is up again"]);
}

#[test]
fn who_came_back_gets_more_and_more() {
    let mut app = checked();
    app.slow_start = Duration::from_secs(100);
    let mut bench = Bench::of(&app);
    for digit in ['1', '2', '3'] {
        bench.check(digit, Ok(1));
    }
    // Who was not away starts at once.
    assert_eq!(bench.next(6), "123123");
    for result in [Err(REFUSED), Err(REFUSED), Err(REFUSED), Ok(1), Ok(1)] {
        bench.check('3', result);
    }
    let mut share = |seconds| {
        bench.after(seconds);
        bench.next(1000).matches('3').count()
    };
    let shares = [share(0.0), share(10.0), share(40.0), share(50.0)];
    // 1, 10, 50 and 100 parts beside twice 100.
    for (share, expected) in shares.into_iter().zip([5, 47, 200, 333]) {
        assert!(share.abs_diff(expected) <= 1, "{shares:?}");
    }
}

#[test]
fn the_fewest_connections_for_their_weight() {
    let mut app = app();
    app.balance = Balance::LeastConnections;
    app.targets[0].weight = 2;
    let bench = Bench::of(&app);
    let picks: Vec<_> =
        (0..8).map(|_| bench.pool.pick(&[], bench.now).unwrap()).inspect(|target| target.begin()).collect();
    let of = |digit| picks.iter().filter(|target| target.id() == bench.target(digit).id()).count();
    assert_eq!([of('1'), of('2'), of('3')], [4, 2, 2]);
    bench.target('2').end();
    assert_eq!(bench.next(1), "2");
}

fn addresses(list: &[&str]) -> Result<Vec<IpAddr>, String> {
    Ok(list.iter().map(|address| address.parse().unwrap()).collect())
}

#[test]
fn names_have_the_addresses_that_they_are_said_to_have() {
    let app = App::sample("x", &[80], &["192.0.2.1:1", "a.example:1", "b.example:1"]);
    let mut bench = Bench::of(&app);
    assert_eq!(bench.pool.names(), ["a.example", "b.example"]);
    assert_eq!((bench.states().as_str(), bench.next(2).as_str()), ("unchecked unresolved unresolved", "11"));
    bench.after(1.0);
    bench.pool.resolved("a.example", addresses(&["2001:db8::4", "192.0.2.3", "192.0.2.1", "0.0.0.0"]), bench.now);
    bench.pool.resolved("b.example", Err("no such name".into()), bench.now);
    bench.pool.resolved("c.example", addresses(&["192.0.2.9"]), bench.now);
    // 192.0.2.1 with port 1 was there already.
    assert_eq!(bench.states(), "unchecked unchecked unchecked unresolved");
    assert_eq!(bench.next(6), "341341");
    let status = bench.pool.states(bench.now).remove(3);
    assert_eq!((status.reason.as_deref(), status.since), (Some("no such name"), bench.now));
    bench.pool.resolved("b.example", Err("no answer".into()), bench.now);
    assert_eq!(bench.told(), ["target b.example:1 of app x has no address: no such name"]);
    bench.fail('4', REFUSED);
    bench.fail('4', REFUSED);
    bench.fail('4', REFUSED);
    assert_eq!(bench.told(), ["target a.example:1 (2001:db8::4) of app x is down: connection refused"]);
    // Another order, one gone, one new, and a failure: who stays is as he was.
    let four = bench.target('4');
    bench.pool.resolved("a.example", addresses(&["192.0.2.5", "2001:db8::4"]), bench.now);
    bench.pool.resolved("a.example", Err("no answer".into()), bench.now);
    assert_eq!(bench.states(), "unchecked unchecked down unresolved");
    assert_eq!(bench.next(4), "5151");
    assert!(Arc::ptr_eq(&four, &bench.target('4')));
    bench.pool.resolved("b.example", addresses(&["192.0.2.6"]), bench.now);
    assert_eq!(bench.told(), ["target b.example:1 of app x has an address again"]);
}

#[test]
fn after_a_reload_those_who_stay_are_as_they_were() {
    let bench = Bench::of(&checked());
    for digit in ['1', '2', '3'] {
        bench.check(digit, if digit == '2' { Err(REFUSED) } else { Ok(1) });
    }
    let (one, two, three) = (bench.target('1'), bench.target('2'), bench.target('3'));
    one.begin();
    let mut app = checked();
    app.targets.remove(2);
    app.targets[0].weight = 3;
    app.targets.insert(1, App::sample("", &[], &["192.0.2.4:4"]).targets.remove(0));
    bench.pool.reload(&app, bench.now);
    assert_eq!(bench.states(), "up unchecked down");
    assert!(Arc::ptr_eq(&one, &bench.target('1')) && Arc::ptr_eq(&two, &bench.target('2')));
    assert_eq!(bench.next(8).matches('1').count(), 6);
    // Who is gone may still be told of.
    bench.pool.failed(&three, REFUSED, bench.now);
    assert_eq!(three.failed(), 1);
}

#[test]
fn a_drained_target_gets_nothing_until_a_reload() {
    let mut app = App::sample("x", &[80], &["192.0.2.1:1", "a.example:1"]);
    let mut bench = Bench::of(&app);
    bench.pool.resolved("a.example", addresses(&["192.0.2.2"]), bench.now);
    assert!(bench.pool.drain("b.example:1", bench.now).is_none());
    bench.after(5.0);
    let drained = bench.pool.drain("a.example:1", bench.now).unwrap();
    assert!(Arc::ptr_eq(&drained[0], &bench.target('2')));
    bench.pool.resolved("a.example", addresses(&["192.0.2.2", "192.0.2.3"]), bench.now);
    assert_eq!((bench.states().as_str(), bench.next(3).as_str()), ("unchecked draining draining", "111"));
    assert_eq!(bench.pool.states(bench.now)[1].since, Duration::from_secs(5));
    assert_eq!(bench.told(), ["target a.example:1 (192.0.2.2) of app x is drained"]);
    app.targets[0].weight = 1;
    bench.pool.reload(&app, bench.now);
    assert_eq!(bench.next(3), "231");
}

#[test]
fn what_is_checked_has_a_port() {
    let mut app = App::sample("x", &[8000, 80], &["192.0.2.1:1", "192.0.2.2:2"]);
    app.targets[1].port = None;
    assert!(Bench::of(&app).pool.to_check().is_none());
    let addresses = |app: &App| {
        let checked = Bench::of(app).pool.to_check().unwrap();
        checked.targets.iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>()
    };
    app.check = Some(Check::default());
    assert_eq!(addresses(&app), ["192.0.2.1:1", "192.0.2.2:8000"]);
    app.check = Some(Check { port: Some(9), ..Check::default() });
    assert_eq!(addresses(&app), ["192.0.2.1:9", "192.0.2.2:9"]);
}

#[test]
fn whatever_happens_only_those_get_connections_who_may() {
    let mut seed = 1_u64;
    let mut random = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % most
    };
    let mut app = checked();
    app.outlier = Some(Outlier { least: 3, ..Outlier::default() });
    app.slow_start = Duration::from_secs(5);
    app.targets.extend(App::sample("", &[], &["a.example:1", "b.example:1"]).targets);
    let mut bench = Bench::of(&app);
    for _ in 0..20_000 {
        let targets: Vec<_> = bench.pool.states(bench.now).into_iter().filter_map(|status| status.target).collect();
        let target = targets[random(targets.len())].clone();
        bench.after(0.1);
        match random(9) {
            0 => bench.pool.succeeded(&target, bench.now),
            1 => bench.pool.failed(&target, Failure::Reset, bench.now),
            2 => bench.pool.checked(target.id(), Err(REFUSED), bench.now),
            3..6 => bench.pool.checked(target.id(), Ok(Duration::ZERO), bench.now),
            6 if random(20) == 0 => drop(bench.pool.drain(target.name(), bench.now)),
            6 if random(20) == 0 => {
                app.targets.rotate_left(1);
                app.targets[0].weight = 1 + u32::try_from(random(256)).unwrap();
                app.check = (random(3) > 0).then(Check::default);
                app.balance = [Balance::RoundRobin, Balance::LeastConnections][random(2)];
                bench.pool.reload(&app, bench.now);
            }
            7 => {
                let some = (0..random(4)).map(|_| [192, 0, 2, u8::try_from(random(9)).unwrap()].into()).collect();
                bench.pool.resolved(["a.example", "b.example"][random(2)], Ok(some), bench.now);
            }
            _ => {}
        }
        let tried = [target.id()];
        let candidates: Vec<u64> = bench.pool.candidates(bench.now).iter().map(|target| target.id()).collect();
        let picked = bench.pool.pick(&tried, bench.now).map(|target| target.id());
        assert_eq!(picked.is_some(), candidates.iter().any(|id| *id != target.id()));
        assert!(picked.is_none_or(|id| candidates.contains(&id) && id != target.id()));
        let state = |id| {
            bench.pool.states(bench.now).into_iter().find(|status| status.target.as_ref().is_some_and(|t| t.id() == id))
        };
        if let Some(status) = picked.and_then(state) {
            assert!(
                matches!(status.state, State::Up | State::Unchecked)
                    || app.check.is_none() && status.state == State::Down
            );
        }
    }
}
