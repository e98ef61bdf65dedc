//! Who gets the next connection.

mod health;
mod pool;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod turns;

pub use pool::{Checked, Pool};
pub use state::{Change, State, Status, Tell};
pub use target::{Failure, Target};
