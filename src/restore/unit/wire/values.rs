//! The values of an order that no reading can find wrong, each like the type that it stands for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::desired::SecretRef;
use crate::model::job::{self, Database, FirewallPort, RestoreSteps, SystemUser, SystemdService};
use crate::restore::{content, plan};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content {
    CustomDir {
        #[serde(default)]
        archived: Option<PathBuf>,
        #[serde(default)]
        root: Option<PathBuf>,
        is_file: bool,
    },
    Mysql {
        database: String,
        access: Access,
    },
    Postgresql {
        database: String,
        access: Access,
    },
    YnhApp {
        app: String,
        at_home: bool,
    },
    YnhSystem {
        #[serde(default)]
        parts: Vec<String>,
        at_home: bool,
    },
}

/// How a server is reached. Which database of it is meant stands beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Access {
    host: Option<String>,
    port: Option<u16>,
    socket: Option<PathBuf>,
    user: Option<String>,
    password: Option<Secret>,
    options: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Secret {
    File(PathBuf),
    Credential(String),
    Env(String),
    Command(Vec<String>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileFacts {
    prefix: Vec<u8>,
    target: PathBuf,
    paths: Vec<Vec<u8>>,
    members: u64,
    bytes: u64,
    overwritten: u64,
    overwritten_first: Vec<String>,
    owners_unknown: Vec<String>,
    owners_moved: Vec<(String, u32, u32)>,
    #[serde(default)]
    is_occupied: bool,
    free: u64,
    aside: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Steps {
    user: Option<User>,
    service: Option<Service>,
    owner: Option<String>,
    mode: Option<u32>,
    ports: Vec<(u16, String)>,
    commands: Vec<Command>,
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    home: Option<PathBuf>,
    shell: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Service {
    name: String,
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Argv(Vec<String>),
    Shell(String),
}

impl From<&content::Content> for Content {
    fn from(content: &content::Content) -> Self {
        use content::Content as Inner;
        match content {
            Inner::CustomDir { archived, root, is_file } => Content::CustomDir {
                archived: archived.clone(),
                root: root.clone(),
                is_file: *is_file,
            },
            Inner::Mysql(database) => Content::Mysql {
                database: database.database.clone(),
                access: Access::from(database),
            },
            Inner::Postgresql(database) => Content::Postgresql {
                database: database.database.clone(),
                access: Access::from(database),
            },
            Inner::YnhApp { app, at_home } => {
                Content::YnhApp { app: app.clone(), at_home: *at_home }
            }
            Inner::YnhSystem { parts, at_home } => {
                Content::YnhSystem { parts: parts.clone(), at_home: *at_home }
            }
        }
    }
}

impl From<Content> for content::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::CustomDir { archived, root, is_file } => {
                Self::CustomDir { archived, root, is_file }
            }
            Content::Mysql { database, access } => Self::Mysql(access.to(database)),
            Content::Postgresql { database, access } => Self::Postgresql(access.to(database)),
            Content::YnhApp { app, at_home } => Self::YnhApp { app, at_home },
            Content::YnhSystem { parts, at_home } => Self::YnhSystem { parts, at_home },
        }
    }
}

impl From<&Database> for Access {
    fn from(database: &Database) -> Self {
        Self {
            host: database.host.clone(),
            port: database.port,
            socket: database.socket.clone(),
            user: database.user.clone(),
            password: database.password.as_ref().map(Secret::from),
            options: database.options.clone(),
        }
    }
}

impl Access {
    /// A database of this server.
    pub(super) fn to(self, database: String) -> Database {
        Database {
            database,
            except: Vec::new(),
            host: self.host,
            port: self.port,
            socket: self.socket,
            user: self.user,
            password: self.password.map(SecretRef::from),
            options: self.options,
        }
    }
}

impl From<&SecretRef> for Secret {
    fn from(secret: &SecretRef) -> Self {
        match secret {
            SecretRef::File(path) => Secret::File(path.clone()),
            SecretRef::Credential(name) => Secret::Credential(name.clone()),
            SecretRef::Env(name) => Secret::Env(name.clone()),
            SecretRef::Command(argv) => Secret::Command(argv.clone()),
        }
    }
}

impl From<Secret> for SecretRef {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::File(path) => SecretRef::File(path),
            Secret::Credential(name) => SecretRef::Credential(name),
            Secret::Env(name) => SecretRef::Env(name),
            Secret::Command(argv) => SecretRef::Command(argv),
        }
    }
}

impl From<&plan::FileFacts> for FileFacts {
    fn from(facts: &plan::FileFacts) -> Self {
        let plan::FileFacts {
            prefix,
            target,
            paths,
            members,
            bytes,
            overwritten,
            overwritten_first,
            owners_unknown,
            owners_moved,
            is_occupied,
            free,
            aside,
        } = facts.clone();
        Self {
            prefix,
            target,
            paths,
            members,
            bytes,
            overwritten,
            overwritten_first,
            owners_unknown,
            owners_moved,
            is_occupied,
            free,
            aside,
        }
    }
}

impl From<FileFacts> for plan::FileFacts {
    fn from(facts: FileFacts) -> Self {
        Self {
            prefix: facts.prefix,
            target: facts.target,
            paths: facts.paths,
            members: facts.members,
            bytes: facts.bytes,
            overwritten: facts.overwritten,
            overwritten_first: facts.overwritten_first,
            owners_unknown: facts.owners_unknown,
            owners_moved: facts.owners_moved,
            is_occupied: facts.is_occupied,
            free: facts.free,
            aside: facts.aside,
        }
    }
}

impl From<&RestoreSteps> for Steps {
    fn from(steps: &RestoreSteps) -> Self {
        let ports = steps.firewall_ports.iter();
        Self {
            user: steps.system_user.as_ref().map(|user| User {
                name: user.name.clone(),
                home: user.home.clone(),
                shell: user.shell.clone(),
            }),
            service: steps.systemd_service.as_ref().map(|service| Service {
                name: service.name.clone(),
                file: service.service_file.clone(),
            }),
            owner: steps.owner.clone(),
            mode: steps.mode,
            ports: ports.map(|port| (port.port, port.protocol.clone())).collect(),
            commands: steps.post_restore_commands.iter().map(Command::from).collect(),
        }
    }
}

impl From<Steps> for RestoreSteps {
    fn from(steps: Steps) -> Self {
        let user = |User { name, home, shell }| SystemUser { name, home, shell };
        let service = |Service { name, file }| SystemdService { name, service_file: file };
        let port = |(port, protocol)| FirewallPort { port, protocol };
        Self {
            system_user: steps.user.map(user),
            systemd_service: steps.service.map(service),
            owner: steps.owner,
            mode: steps.mode,
            firewall_ports: steps.ports.into_iter().map(port).collect(),
            post_restore_commands: steps.commands.into_iter().map(job::Command::from).collect(),
        }
    }
}

impl From<&job::Command> for Command {
    fn from(command: &job::Command) -> Self {
        match command {
            job::Command::Argv(argv) => Command::Argv(argv.clone()),
            job::Command::Shell(line) => Command::Shell(line.clone()),
        }
    }
}

impl From<Command> for job::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Argv(argv) => job::Command::Argv(argv),
            Command::Shell(line) => job::Command::Shell(line),
        }
    }
}
