//! The values of labels that stand for a part of the engine's words.

use leaseq_engine::space::{Space, Unwritten};

pub(super) fn space_name(space: Space) -> &'static str {
    match space {
        Space::Enough => "enough",
        Space::Reserve => "reserve",
        Space::Low => "low",
        Space::Last => "last",
        Space::Full => "full",
    }
}

pub(super) fn unwritten(what: Unwritten) -> &'static str {
    match what {
        Unwritten::Jobs => "jobs",
        Unwritten::Queues => "queues",
        Unwritten::Grants => "grants",
        Unwritten::Extensions => "extensions",
        Unwritten::Results => "results",
        Unwritten::GivenBack => "given_back",
        Unwritten::Ends => "ends",
    }
}
