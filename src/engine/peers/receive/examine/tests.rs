use super::*;
use crate::model::archive::Sha256;
use crate::model::location::Codec;
use crate::reconcile::world::World;

fn archive() -> Archive {
    let world = World::at("2026-05-08T12:00").archive("web", "main", "2026-05-08T03:00", |_| {});
    world.observed.archives[0].clone()
}

#[test]
fn what_would_run_is_refused_unless_its_sender_is_trusted() {
    let danger = Some("the member `/etc/passwd` has an absolute name".to_owned());
    let found = Inspection { danger, ..Inspection::default() };
    let refused = judged(&archive(), &found, false).unwrap_err();
    assert!(refused.to_string().contains("/etc/passwd"), "{refused}");
    assert_eq!(judged(&archive(), &found, true).unwrap(), archive());
}

#[test]
fn what_cannot_be_read_is_kept_and_suspect() {
    let found = Inspection { unreadable: Some("noise".to_owned()), ..Inspection::default() };
    let outcome = judged(&archive(), &found, false).unwrap().outcome;
    assert!(matches!(outcome, Outcome::Suspect(why) if why.contains("noise")));
}

#[test]
fn the_stream_is_what_was_found_and_no_lie_about_it_is_taken() {
    let found = Inspection { stream: Some((7, Sha256([9; 32]))), ..Inspection::default() };
    let mut zstd = Archive { codec: Codec::Zstd(3), ..archive() };
    assert!(judged(&zstd, &found, true).is_err());
    (zstd.stream_sha256, zstd.stream_size) = (None, 0);
    let known = judged(&zstd, &found, false).unwrap();
    assert_eq!((known.stream_size, known.stream_sha256), (7, Some(Sha256([9; 32]))));
}
