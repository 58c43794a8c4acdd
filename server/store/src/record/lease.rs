//! Leases: who holds them and how they end.

use leaseq_engine::transition::{Holder, Requeue, VerdictKind};

use super::field::tagged;

tagged!(Holder, "holder of a lease" {
    1 Get,
    2 Session,
});

tagged!(VerdictKind, "verdict" {
    1 Complete,
    2 Fail,
    3 Reject,
    4 Release,
});

tagged!(Requeue, "way back of a job" {
    1 Failed,
    2 Released,
    3 TakenBack,
    4 Expired,
    5 Redriven,
    6 Unheard,
});
