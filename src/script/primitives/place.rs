//! Options that name network namespaces, in the words of the command line: the same wherever there are some.

use rhai::{Array, Dynamic, EvalAltResult};

use super::super::error::{ErrorKind, thrown};
use super::super::live::Place;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// The places that an option names, one or an array of them; nothing if it is another option.
pub(super) fn places(option: &str, value: &Dynamic) -> Result<Option<Vec<Place>>> {
    Ok(Some(match option {
        "container" => each(value, |value| Some(Place::Container(text(value)?)), option, "the name of a container")?,
        "netns" => {
            each(value, |value| Some(Place::Namespace(text(value)?)), option, "the name of a network namespace")?
        }
        "pid" => each(value, |value| Some(Place::Process(number(value)?)), option, "a process identifier")?,
        _ => return Ok(None),
    }))
}

/// What an option takes, one or an array of them.
pub(super) fn each<T>(
    value: &Dynamic,
    read: impl Fn(&Dynamic) -> Option<T>,
    option: &str,
    expected: &str,
) -> Result<Vec<T>> {
    let one = |value: &Dynamic| read(value).ok_or_else(|| wrong(option, expected, value));
    match value.read_lock::<Array>() {
        Some(array) => array.iter().map(one).collect(),
        None => Ok(vec![one(value)?]),
    }
}

pub(super) fn text(value: &Dynamic) -> Option<String> {
    value.clone().into_string().ok()
}

fn number(value: &Dynamic) -> Option<u32> {
    u32::try_from(value.as_int().ok()?).ok()
}

/// An option was given something that it does not take.
pub(super) fn wrong(option: &str, expected: &str, value: &Dynamic) -> Box<EvalAltResult> {
    thrown(ErrorKind::Usage, format!("the option `{option}` takes {expected}, and was given {value}"))
}
