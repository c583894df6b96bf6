//! What the cards of peers say of rights: theirs here, and ours there.

use super::browser::{Looks, browser_or_skip};
use super::is_quiet;
use super::peers::{read, visit};
use crate::peers::sshd::sshd_or_skip;
use crate::peers::world::World;
use crate::support::dir;

#[test]
fn a_card_warns_of_copies_that_our_key_could_delete_until_it_cannot() {
    let browser = browser_or_skip!();
    let sshd = sshd_or_skip!();
    let folder = dir();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let ssh = sshd.toml(folder.path(), "");
    jerry.write(
        "peers/vps.toml",
        &format!("[peer.vps]\nkind = \"direct-ssh-direct\"\nssh = {ssh}\n"),
    );
    jerry.ok(&["peer", "check", "vps"]);
    let tab = visit(browser, jerry, &Looks::USUAL);
    let card = read(&tab, "#peer-vps .box.warn");
    for words in ["Our key can delete", "whoever takes over this host", "larder peer key vps"] {
        assert!(card.contains(words), "{words}: {card}");
    }

    // The line that the card names.
    sshd.authorize(&jerry.ok(&["peer", "key", "vps"]));
    jerry.ok(&["peer", "check", "vps"]);
    let here = tab.eval("location.href");
    tab.open(here.as_str().unwrap());
    assert_eq!(tab.eval("document.querySelectorAll('#peer-vps .box').length"), 0);
    assert!(read(&tab, "#peer-vps").contains("online"));
    is_quiet(&tab);
}

#[test]
fn a_card_shows_how_full_a_quota_is_and_that_a_peer_may_only_read() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let peer = |more: &str| {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let accept = format!("location = \"main\"\ntoken_hash = \"sha256:{hash}\"\n{more}");
        format!("[peer.tom]\nkind = \"instance\"\n[peer.tom.accept]\n{accept}")
    };
    jerry.write("peers/tom.toml", &peer("quota = \"1 GiB\"\nread_only = true\n"));
    jerry.wait("the peer is known", || {
        jerry.control_get("/api/v1/peers").as_array().is_some_and(|all| !all.is_empty())
    });
    let tab = visit(browser, jerry, &Looks::USUAL);
    let card = read(&tab, "#peer-tom").replace('\u{a0}', " ");
    for words in ["0 B / 1.0 GiB", "only reads", "larder peer confirm tom"] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let meter = "document.querySelector('#peer-tom meter')";
    assert_eq!(tab.eval(&format!("{meter}.max")), 1_u64 << 30);
    assert_eq!(tab.eval(&format!("{meter}.value")), 0);

    jerry.write("peers/tom.toml", &peer(""));
    tab.wait(&format!("{meter} === null"));
    assert!(!read(&tab, "#peer-tom").contains("only reads"));
    is_quiet(&tab);
}
