//! Who is behind each end of a conversation.

mod event;
mod hook;
