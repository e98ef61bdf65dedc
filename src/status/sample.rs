//! What tests show: two endpoints, one of them blocked by somebody with a hostile name.

use super::{Observation, Status};
use crate::record::{Duration, Row, Time, Tuple, Value};
use crate::trace::Verdict;

/// What somebody may have entered into the reverse zone of an address.
pub(super) const HOSTILE: &str = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>\u{202e}.example";

/// That many seconds after the first round.
pub(super) fn at(seconds: i64) -> Time {
    Time::from_nanos((1_763_650_800 + seconds) * 1_000_000_000)
}

pub(super) fn observation(verdict: Verdict, second: i64) -> Observation {
    let latency = verdict.reached().then_some(Duration::from_nanos(1_500_000));
    Observation {
        endpoint: "db.example:5432".to_owned(),
        time: at(second),
        verdict,
        reason: format!("it is {verdict}"),
        latency,
        hops: vec![hop(1, "router.example"), hop(2, HOSTILE)],
        trace: None,
        text: format!("round of {verdict}\n  1  router.example\n  2  {HOSTILE}"),
    }
}

fn hop(ttl: i64, name: &str) -> Row {
    let values = vec![Value::Integer(ttl), Value::Text(name.to_owned().into())];
    Tuple::row("hop", vec!["ttl".into(), "name".into()], values)
}

pub(super) fn status() -> Status {
    let mut status = Status::new("Egress <of> \"us\"");
    for (verdict, second) in [(Verdict::Open, 0), (Verdict::Open, 5), (Verdict::Filtered, 10)] {
        status.add(observation(verdict, second)).unwrap();
    }
    let endpoint = "web.example:443".to_owned();
    status.add(Observation { endpoint, ..observation(Verdict::Open, 0) }).unwrap();
    status
}
