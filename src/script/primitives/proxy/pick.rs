//! Which target a closure chose.

use std::sync::Arc;

use rhai::{Array, Dynamic, FnPtr};

use super::super::super::context::Context;
use super::super::super::error::Failure;
use super::super::super::value::from_dynamic;
use super::super::place::text;
use crate::proxy::{Pick, TargetState};
use crate::record::{Row, Value};

/// Asks a closure. Gives the place of the target that it chose, or why it chose none.
pub(super) fn ask(context: &Context, closure: &FnPtr, pick: &Pick) -> Result<usize, String> {
    let Some(engine) = context.engine.get().and_then(std::rc::Weak::upgrade) else {
        return Err("came too late".to_owned());
    };
    let row = |row: Row| Dynamic::from(row);
    let targets: Array = pick.targets.iter().map(|target| row(Arc::new(target.clone()))).collect();
    let connection = row(Arc::new(pick.connection.clone()));
    let answer = closure.call::<Dynamic>(&engine, &context.functions.borrow(), (connection, targets));
    let answer = answer.map_err(|error| format!("failed: {}", Failure::evaluation(error, "", "").message))?;
    place(&answer, &pick.targets)
}

/// The place of the target that is meant: by its row, by its place, or by its name. Of several addresses with one name it
/// is the one that has the fewest connections.
fn place(answer: &Dynamic, targets: &[TargetState]) -> Result<usize, String> {
    let by_row = answer.read_lock::<Row>().and_then(|row| {
        let any: &dyn std::any::Any = row.as_ref();
        let id = any.downcast_ref::<TargetState>()?.id();
        targets.iter().position(|target| target.id() == id)
    });
    let by_place = || {
        let place = usize::try_from(answer.as_int().ok()?).ok()?;
        (place < targets.len()).then_some(place)
    };
    let by_name = || {
        let name = text(answer)?;
        let named = targets.iter().enumerate().filter(|(_, target)| target.name() == name);
        named.min_by_key(|(_, target)| target.connections()).map(|(place, _)| place)
    };
    by_row.or_else(by_place).or_else(by_name).ok_or_else(|| match from_dynamic(answer) {
        Value::None => "gave nothing".to_owned(),
        other => format!("gave {other}, which is none of the targets that are up, nor the place or name of one"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_its_row_its_place_or_its_name() {
        let row = |id: u64| Dynamic::from::<Row>(Arc::new(TargetState::sample(id)));
        let targets = [(11, "a:1", 0), (12, "b:1", 5), (13, "b:1", 4)];
        let targets = targets.map(|(id, name, open)| TargetState::sample(id).named(name, open));
        let none = |answer: &str| {
            Err(format!("gave {answer}, which is none of the targets that are up, nor the place or name of one"))
        };
        for (answer, expected) in [
            (row(12), Ok(1)),
            (row(14), none("web a.example:5001 192.0.2.1 up 2 1000000007 3 17179869190")),
            (2_i64.into(), Ok(2)),
            (3_i64.into(), none("3")),
            ((-1_i64).into(), none("-1")),
            ("a:1".into(), Ok(0)),
            // Of two addresses the one that has fewer.
            ("b:1".into(), Ok(2)),
            ("c:1".into(), none("c:1")),
            (true.into(), none("true")),
            (Dynamic::UNIT, Err("gave nothing".to_owned())),
        ] {
            assert_eq!(place(&answer, &targets), expected, "{answer}");
        }
    }
}
