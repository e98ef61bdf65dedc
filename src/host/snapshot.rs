//! What was read of several namespaces at one moment.

use super::HostError;

/// Rows of this host at one moment.
#[derive(Debug)]
pub struct Snapshot<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// What this user may not see, in one sentence each: rows or values are missing for it.
    pub notes: Vec<String>,
}

impl<T> Snapshot<T> {
    /// The rows of that many namespaces, except for those that were refused: it is an error if all were.
    pub(super) fn new(rows: Vec<T>, namespaces: usize, mut refused: Vec<HostError>) -> Result<Self, HostError> {
        let note = match (refused.pop(), refused.len()) {
            (None, _) => None,
            (Some(error), others) if others + 1 == namespaces => return Err(error),
            (Some(error), 0) => Some(error.to_string()),
            (Some(error), others) => Some(format!("{error} ({others} more network namespaces likewise)")),
        };
        Ok(Self { rows, notes: note.into_iter().collect() })
    }

    pub(super) fn map<U>(self, row: impl Fn(T) -> U) -> Snapshot<U> {
        Snapshot { rows: self.rows.into_iter().map(row).collect(), notes: self.notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_everywhere_is_an_error_and_else_a_note() {
        let refused = || HostError::Gone { what: "container", name: "web".into() };
        assert!(Snapshot::<u8>::new(vec![], 2, vec![refused(), refused()]).is_err());
        let some = Snapshot::new(vec![7], 2, vec![refused()]).unwrap();
        assert_eq!((some.rows, some.notes), (vec![7], vec!["the container `web` went away meanwhile".to_owned()]));
        let most = Snapshot::new(vec![7], 3, vec![refused(), refused()]).unwrap();
        assert_eq!(most.notes, ["the container `web` went away meanwhile (1 more network namespaces likewise)"]);
        assert!(Snapshot::<u8>::new(vec![], 0, vec![]).unwrap().notes.is_empty());
    }
}
