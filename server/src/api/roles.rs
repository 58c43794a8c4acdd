//! Which roles may call which method. Closed: what is not in the table cannot be called.

use crate::auth::{Access, Identity, Role};

/// Who may call a method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Callers {
    /// Everybody, without a key.
    Open,
    /// Every key of this server.
    AnyKey,
    /// Keys with one of these roles.
    OneOf(&'static [Role]),
}

use Callers::{AnyKey, OneOf, Open};
use Role::{Admin, Put, Read, Work};

/// Every method of the server. The "Roles:" lines of the `.proto` files say the same.
const METHODS: &[(&str, Callers)] = &[
    ("/leaseq.v1.QueueService/Put", OneOf(&[Put])),
    ("/leaseq.v1.QueueService/PutStream", OneOf(&[Put])),
    ("/leaseq.v1.QueueService/Get", OneOf(&[Work])),
    ("/leaseq.v1.QueueService/Lease", OneOf(&[Work])),
    ("/leaseq.v1.QueueService/Settle", OneOf(&[Work])),
    ("/leaseq.v1.QueueService/Extend", OneOf(&[Work])),
    ("/leaseq.v1.QueueService/CancelJob", OneOf(&[Put, Admin])),
    ("/leaseq.v1.QueueService/WaitJob", OneOf(&[Put, Read])),
    ("/leaseq.v1.QueueService/WaitQueue", OneOf(&[Put, Read])),
    ("/leaseq.v1.AdminService/CreateQueue", OneOf(&[Admin])),
    (
        "/leaseq.v1.AdminService/GetQueue",
        OneOf(&[Read, Put, Work, Admin]),
    ),
    (
        "/leaseq.v1.AdminService/ListQueues",
        OneOf(&[Read, Put, Work, Admin]),
    ),
    ("/leaseq.v1.AdminService/UpdateQueue", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/DeleteQueue", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/PauseQueue", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/ResumeQueue", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/GetJob", OneOf(&[Read, Admin])),
    ("/leaseq.v1.AdminService/ListJobs", OneOf(&[Read, Admin])),
    ("/leaseq.v1.AdminService/PurgeJobs", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/RedriveJobs", OneOf(&[Admin])),
    ("/leaseq.v1.AdminService/GetServerInfo", AnyKey),
    ("/grpc.health.v1.Health/Check", Open),
    ("/grpc.health.v1.Health/Watch", Open),
    ("/grpc.health.v1.Health/List", Open),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        AnyKey,
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        AnyKey,
    ),
];

/// Who may call the method at `path`; `None`: there is no such method.
fn callers(path: &str) -> Option<Callers> {
    METHODS
        .iter()
        .find(|(method, _)| *method == path)
        .map(|(_, callers)| *callers)
}

/// Whether a caller with a good key may call the method at `path`. No role implies another: a key
/// for operators that may also put says so in the keys file.
#[must_use]
pub(crate) fn allowed(path: &str, identity: &Identity) -> Access {
    match callers(path) {
        None => Access::UnknownMethod,
        Some(Open | AnyKey) => Access::Allowed,
        Some(OneOf(roles)) if identity.has_any(roles) => Access::Allowed,
        Some(OneOf(roles)) => Access::RoleMissing(roles),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaseq_engine::id::Scope;
    use prost::Message;
    use prost_types::{FileDescriptorProto, FileDescriptorSet};

    /// The numbers of the fields `service` of a file and `method` of a service.
    const SERVICE: i32 = 6;
    const METHOD: i32 = 2;

    fn files() -> Vec<FileDescriptorProto> {
        FileDescriptorSet::decode(leaseq_proto::FILE_DESCRIPTOR_SET)
            .expect("the descriptor set is ours")
            .file
    }

    /// The path of every method of the API with the text behind "Roles:" in its comment.
    fn documented() -> Vec<(String, String)> {
        let mut found = Vec::new();
        for file in files() {
            let comment = |path: [i32; 4]| -> String {
                file.source_code_info
                    .iter()
                    .flat_map(|info| &info.location)
                    .find(|location| location.path == path)
                    .and_then(|location| location.leading_comments.clone())
                    .unwrap_or_default()
            };
            for (s, service) in (0..).zip(&file.service) {
                for (m, method) in (0..).zip(&service.method) {
                    let comment = comment([SERVICE, s, METHOD, m]);
                    let roles = comment
                        .lines()
                        .find_map(|l| l.trim().strip_prefix("Roles:"));
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    found.push((path, roles.unwrap_or_default().trim().to_owned()));
                }
            }
        }
        found
    }

    fn text(callers: Callers) -> String {
        match callers {
            Open => "none".to_owned(),
            AnyKey => "any.".to_owned(),
            OneOf(roles) => {
                let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                let (last, first) = names.split_last().expect("some role");
                match first {
                    [] => format!("{last}."),
                    _ => format!("{} or {last}.", first.join(", ")),
                }
            }
        }
    }

    #[test]
    fn every_method_of_the_api_has_the_roles_its_comment_promises() {
        let documented = documented();
        assert!(!documented.is_empty());
        for (path, roles) in documented {
            let callers = callers(&path).unwrap_or_else(|| panic!("{path} is not in the table"));
            assert_eq!(text(callers), roles, "{path}");
        }
    }

    #[test]
    fn an_unknown_method_is_closed_even_for_an_admin() {
        let admin = Identity::new("ops", &[Admin], Scope::All);
        let access = allowed("/leaseq.v1.AdminService/DropAll", &admin);
        assert_eq!(access, Access::UnknownMethod);
    }

    #[test]
    fn a_key_calls_what_its_roles_allow_and_nothing_else() {
        let settle = "/leaseq.v1.QueueService/Settle";
        let key = |role| Identity::new("key", &[role], Scope::All);
        assert_eq!(allowed(settle, &key(Work)), Access::Allowed);
        assert_eq!(allowed(settle, &key(Admin)), Access::RoleMissing(&[Work]));
        assert_eq!(allowed(settle, &key(Put)), Access::RoleMissing(&[Work]));
        let info = "/leaseq.v1.AdminService/GetServerInfo";
        assert_eq!(allowed(info, &key(Read)), Access::Allowed);
    }
}
