//! `proxy(…)`: real clients and servers in namespaces.

mod balancing;
mod dispatch;
mod failing;
mod load;
mod operation;
mod page;
mod rig;
mod script;
mod story;
