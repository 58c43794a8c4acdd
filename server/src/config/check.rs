//! What options say of each other.

use super::error::ConfigError;
use super::options::Config;

/// What a request carries beside one payload of the largest size: headers of the
/// job, names, ids.
const REQUEST_OVERHEAD_BYTES: usize = 64 << 10;

impl Config {
    /// Whether the options go together. Start rules (which address needs what) are
    /// checked when the server starts, because they depend on the keys found.
    ///
    /// # Errors
    /// The first contradiction, in one sentence.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        if limits.request_bytes_max < limits.payload_bytes_max + REQUEST_OVERHEAD_BYTES {
            return contradiction(
                "limits.request_bytes must be at least 64KiB more than limits.payload_bytes, or \
                 the largest payload could never be put",
            );
        }
        if limits.lease_duration_min > limits.lease_duration_max {
            return contradiction("limits.lease_duration_min is above limits.lease_duration");
        }
        let allowed = limits.lease_duration_min..=limits.lease_duration_max;
        if !allowed.contains(&self.queue.lease_duration) {
            return contradiction(
                "queue.lease_duration is not between limits.lease_duration_min and \
                 limits.lease_duration",
            );
        }
        self.check_tls()?;
        self.check_keys()
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let tls = &self.tls;
        if tls.cert.is_some() != tls.key.is_some() {
            return contradiction("tls.cert and tls.key belong together: set both or neither");
        }
        if tls.client_ca.is_some() && tls.cert.is_none() {
            return contradiction(
                "tls.client_ca asks clients for certificates, which needs tls.cert and tls.key",
            );
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        let sources = [
            self.authkey.is_some(),
            self.authkey_file.is_some(),
            self.keys_file.is_some(),
        ];
        if sources.iter().filter(|set| **set).count() > 1 {
            // Silently adding a key that may do everything to a file of careful ones would be a
            // trap for whoever has LEASEQ_AUTHKEY set for the client.
            return contradiction(
                "set only one of LEASEQ_AUTHKEY, authkey_file and keys_file; a keys file can hold \
                 any number of keys",
            );
        }
        Ok(())
    }
}

fn contradiction(text: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Contradiction(text.to_owned()))
}
