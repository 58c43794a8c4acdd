//! Every store passes the suite.

use leaseq_store::conformance;
use leaseq_store::memory::MemoryStore;

#[test]
fn memory() {
    conformance::check(&mut || {
        let memory = MemoryStore::new();
        Box::new(move || Box::new(memory.shared()))
    });
}
