pub mod capture;
pub mod flow;
pub mod limits;
pub mod packet;
pub mod protocol;
pub mod record;
pub mod report;
