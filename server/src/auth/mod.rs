//! Who calls, and what they may do. The only place that sees an authkey.
//!
//! A call is answered here, from its headers alone, unless its key is known and
//! has the role that the method needs: no byte of its body has been read then.
//! Which queues the key may use is up to the handlers, which know the queue.
//!
//! Keys are kept as SHA-256 of their text. That is enough: a key has at least 16
//! characters and is not meant to be remembered by people.

mod answer;
mod identity;
mod keyring;
mod keys;
mod layer;
mod source;

pub(crate) use identity::{Access, Identity, Role};
pub(crate) use keyring::Keyring;
#[cfg(test)]
pub(crate) use keys::Key;
pub use keys::KeysError;
pub(crate) use layer::presented_key;
pub(crate) use layer::{AuthLayer, AuthService};
pub(crate) use source::KeySource;
