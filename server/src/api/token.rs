//! Lease tokens: a lease's two numbers and a keyed check value, in 25 bytes.
//!
//! ```text
//! byte 0      version, 1
//! bytes 1-8   lease number, big endian
//! bytes 9-16  job sequence number, big endian
//! bytes 17-24 SipHash-2-4 of bytes 0-16 under the namespace's key
//! ```
//! The check value is not a secret's last line of defence: the caller is authenticated, and the
//! engine checks the queue against the key's scope. It keeps garbage, and tokens of another
//! server, from being taken for a lease of this one.

use std::hash::Hasher;

use bytes::{BufMut, Bytes, BytesMut};
use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef};
use siphasher::sip::SipHasher24;

use super::fault::Fault;
use crate::shard::{Refusal, ShardHandle};

/// The version byte.
const VERSION: u8 = 1;

/// Bytes before the check value.
const CHECKED: usize = 17;

/// Bytes of a token.
pub(crate) const TOKEN_BYTES: usize = CHECKED + 8;

/// Makes and reads the tokens of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    hasher: SipHasher24,
}

impl Tokens {
    /// The tokens under `key`.
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self {
            hasher: SipHasher24::new_with_key(key),
        }
    }

    /// The tokens of `shard`.
    ///
    /// # Errors
    /// `Recovering` while it does not know its key yet.
    pub(crate) fn of(shard: &ShardHandle) -> Result<Self, Fault> {
        let identity = shard.identity().ok_or(Refusal::Recovering)?;
        Ok(Self::new(&identity.token_key))
    }

    /// The token of `lease`.
    pub(crate) fn token(&self, lease: LeaseRef) -> Bytes {
        let mut buffer = BytesMut::with_capacity(TOKEN_BYTES);
        self.write(lease, &mut buffer);
        buffer.freeze()
    }

    /// Writes the token of `lease`.
    pub(crate) fn write(&self, lease: LeaseRef, to: &mut BytesMut) {
        let mut checked = [0; CHECKED];
        let mut rest = checked.as_mut_slice();
        rest.put_u8(VERSION);
        rest.put_u64(lease.lease.0);
        rest.put_u64(lease.job.0);
        to.put_slice(&checked);
        to.put_u64(self.check(&checked));
    }

    /// The lease that `token` is the token of; `None`: it is no token of ours.
    pub(crate) fn lease(&self, token: &[u8]) -> Option<LeaseRef> {
        let token: &[u8; TOKEN_BYTES] = token.try_into().ok()?;
        let (checked, check) = token.split_at(CHECKED);
        let (lease, job) = checked.get(1..)?.split_at(8);
        let right = checked.first() == Some(&VERSION) && number(check)? == self.check(checked);
        right.then_some(LeaseRef {
            lease: LeaseNumber(number(lease)?),
            job: JobSeq(number(job)?),
        })
    }

    /// A check value for other text of this server's, such as page tokens.
    pub(crate) fn check(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(bytes);
        hasher.finish()
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lease(job: u64, lease: u64) -> LeaseRef {
        LeaseRef {
            job: JobSeq(job),
            lease: LeaseNumber(lease),
        }
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_lease(job: u64, number: u64, key: [u8; 16]) {
            let tokens = Tokens::new(&key);
            let token = tokens.token(lease(job, number));
            prop_assert_eq!(token.len(), TOKEN_BYTES);
            prop_assert_eq!(tokens.lease(&token), Some(lease(job, number)));
        }

        #[test]
        fn a_changed_bit_is_noticed(job: u64, number: u64, bit in 0..TOKEN_BYTES * 8) {
            let tokens = Tokens::new(&[7; 16]);
            let mut token = tokens.token(lease(job, number)).to_vec();
            token[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(tokens.lease(&token), None);
        }

        #[test]
        fn another_servers_token_is_refused(job: u64, number: u64) {
            let token = Tokens::new(&[1; 16]).token(lease(job, number));
            prop_assert_eq!(Tokens::new(&[2; 16]).lease(&token), None);
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Tokens::new(&[3; 16]).lease(&bytes), None);
        }
    }

    /// Tokens outlive the process that made them: their form may not change unnoticed.
    #[test]
    fn the_form_of_a_token_is_fixed() {
        let token = Tokens::new(&[0; 16]).token(lease(2, 1));
        let (checked, check) = token.split_at(CHECKED);
        assert_eq!(checked, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(check.len(), 8);
    }
}
