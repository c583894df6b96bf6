//! Two, three or more instances that trust one authority, and what they agreed on.

use toml::{Table, Value};

use super::address::Address;
use super::authority::Authority;
use super::member::{Member, hash_of, new_token, write_secret};
use super::netns::Namespace;

/// Instances by name. All ends with it.
pub(crate) struct World {
    pub(crate) authority: Authority,
    members: Vec<Member>,
}

/// What one instance writes of another, beyond what it has to; these keys win.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Keys of `[peer.x]`.
    pub(crate) peer: String,
    /// Keys of `[peer.x.accept]`.
    pub(crate) accept: String,
    /// Whether there is no `[peer.x.accept]` at all, and so no token for the other.
    pub(crate) accepts_nothing: bool,
}

impl Terms {
    pub(crate) fn peer(toml: impl Into<String>) -> Self {
        Self { peer: toml.into(), ..Self::default() }
    }

    pub(crate) fn accept(toml: impl Into<String>) -> Self {
        Self { accept: toml.into(), ..Self::default() }
    }

    pub(crate) fn nothing() -> Self {
        Self { accepts_nothing: true, ..Self::default() }
    }
}

impl World {
    /// Instances that run.
    pub(crate) fn of(names: &[&str]) -> Self {
        let world = Self::cold(names);
        // All at once: starting takes its time.
        world.members.iter().for_each(Member::launch);
        world.members.iter().for_each(Member::wait_until_ready);
        world
    }

    /// Instances that were not started yet.
    pub(crate) fn cold(names: &[&str]) -> Self {
        let authority = Authority::new();
        let members = names.iter().map(|name| Member::new(name, &authority)).collect();
        Self { authority, members }
    }

    /// One more instance, which was not started yet. Two may claim one name: see
    /// [`World::member`].
    pub(crate) fn add(&mut self, name: &str) -> &Member {
        self.members.push(Member::new(name, &self.authority));
        &self.members[self.members.len() - 1]
    }

    /// The same at an address of a namespace, in which it runs.
    pub(crate) fn add_in(&mut self, name: &str, namespace: &Namespace) -> &Member {
        let member = Member::at(name, &self.authority, Address::inside(namespace.ip()));
        member.run_by(namespace.words());
        self.members.push(member);
        &self.members[self.members.len() - 1]
    }

    /// The first instance of this name.
    #[track_caller]
    pub(crate) fn instance(&self, name: &str) -> &Member {
        let mut members = self.members.iter();
        members.find(|member| member.name() == name).unwrap_or_else(|| panic!("nobody is {name}"))
    }

    /// All instances, in the order of their making.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Two instances that may store with each other, in force on both sides when this returns.
    #[track_caller]
    pub(crate) fn pair(&self, one: &str, other: &str) {
        self.pair_with((one, Terms::default()), (other, Terms::default()));
    }

    /// The same with what each of them writes of the other.
    #[track_caller]
    pub(crate) fn pair_with(&self, one: (&str, Terms), other: (&str, Terms)) {
        let one = (self.instance(one.0), one.1);
        let other = (self.instance(other.0), other.1);
        Self::acquaint((one.0, &one.1), (other.0, &other.1));
    }

    /// The same for instances that need not have names of their own, nor one world.
    #[track_caller]
    pub(crate) fn acquaint(one: (&Member, &Terms), other: (&Member, &Terms)) {
        // What each of them shows to the other.
        let (ones, others) = (new_token(), new_token());
        introduce(one, other, &ones, &others);
        introduce(other, one, &others, &ones);
        one.0.apply();
        other.0.apply();
    }
}

/// Writes on one side what it has to know of the other.
fn introduce(own: (&Member, &Terms), other: (&Member, &Terms), owns: &str, others: &str) {
    let ((own, terms), (other, their_terms)) = (own, other);
    let name = other.name();
    let mut peer = Table::new();
    peer.insert("kind".to_owned(), "instance".into());
    peer.insert("url".to_owned(), other.url().into());
    peer.insert("ca".to_owned(), "../ca.pem".into());
    if !their_terms.accepts_nothing {
        write_secret(&own.path("etc/secrets").join(name), owns);
        let file = format!("../secrets/{name}");
        peer.insert(
            "token".to_owned(),
            Table::from_iter([("file".to_owned(), file.into())]).into(),
        );
    }
    peer.extend(parsed(&terms.peer));
    if !terms.accepts_nothing {
        let mut accept = parsed("location = 'received'\nretention = { mode = 'count', value = 7 }");
        accept.insert("token_hash".to_owned(), hash_of(others).into());
        accept.extend(parsed(&terms.accept));
        peer.insert("accept".to_owned(), accept.into());
    }
    let peers = Table::from_iter([(name.to_owned(), Value::from(peer))]);
    let file = Table::from_iter([("peer".to_owned(), Value::from(peers))]);
    own.write_as_is(&format!("peers/{name}.toml"), &toml::to_string(&file).unwrap());
}

fn parsed(toml: &str) -> Table {
    toml.parse().unwrap_or_else(|error| panic!("{toml}\n{error}"))
}
