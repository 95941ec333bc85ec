//! Panics: a system reports the block that it panicked in, and what the panic said.

use std::any::Any;

/// A panic in one block. The others have run; the lowest panicking block is reported, whatever the thread count.
#[derive(Debug)]
pub struct BlockPanic {
    /// The block's name.
    pub block: String,
    /// What the panic said.
    pub message: String,
}

/// What a panic said, as well as its payload tells.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(panic) = payload.downcast_ref::<BlockPanic>() {
        format!("block {}: {}", panic.block, panic.message)
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".into()
    }
}
