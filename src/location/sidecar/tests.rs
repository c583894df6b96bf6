use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::model::location::Codec;

fn place() -> PlaceName {
    "main".parse().unwrap()
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (-2_000_000_000_i64..30_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

fn hashes() -> impl Strategy<Value = Option<Sha256>> {
    of(any::<[u8; 32]>().prop_map(Sha256))
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Good),
        Just(Outcome::Partial),
        any::<String>().prop_map(Outcome::Suspect)
    ]
}

fn hows() -> impl Strategy<Value = How> {
    let from = || "[a-z][a-z0-9_-]{0,40}".prop_map(|text| text.parse::<PlaceName>().unwrap());
    prop_oneof![
        Just(How::Scheduled),
        Just(How::Manual),
        Just(How::Adopted),
        from().prop_map(|from| How::Received { from }),
        (from(), any::<bool>()).prop_map(|(from, manual)| How::Copied { from, manual })
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Present),
        Just(Condition::Corrupt),
        instants().prop_map(|until| Condition::Trashed { until })
    ]
}

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        any::<u8>().prop_map(Codec::Gzip),
        any::<u8>().prop_map(Codec::Zstd)
    ]
}

fn tables() -> impl Strategy<Value = Option<String>> {
    let value = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    of(vec((any::<String>(), value), 0..4)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()).to_string()))
}

prop_compose! {
    fn archives()(
        (id, name, job) in (any::<u128>(), "[A-Za-z0-9_][A-Za-z0-9_-]{0,49}", "[a-z]{1,9}(/[a-z]{1,9})?"),
        (job_type, created_at, day) in (0..5_usize, instants(), -700_000..700_000_i32),
        sizes in any::<[u64; 3]>(),
        (stream_sha256, file_sha256) in (hashes(), hashes()),
        (codec, recipients, outcome, how) in (codecs(), vec("age1[a-z0-9]{8}", 0..3), outcomes(), hows()),
        (received_at, verified_at, condition) in (of(instants()), of(instants()), conditions()),
        flags in any::<[bool; 2]>(),
        counts in any::<[u64; 7]>(),
        (config_hash, config_commit, job_json) in (of("[0-9a-f]{64}"), of("[0-9a-f]{40}"), tables()),
    ) -> Archive {
        Archive {
            id: ArchiveId(uuid::Uuid::from_u128(id)),
            name: name.parse().unwrap(),
            origin: "jerry".parse().unwrap(),
            label: job.replace('/', "_").parse().unwrap(),
            job: job.parse().unwrap(),
            job_type: JobType::ALL[job_type],
            location: place(),
            created_at,
            day: jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day)),
            zone: "Europe/Paris".to_owned(),
            content_size: sizes[0],
            stream_size: sizes[1],
            file_size: sizes[2],
            stream_sha256,
            file_sha256,
            codec,
            recipients,
            outcome,
            partial_allowed: flags[0],
            how,
            received_at,
            pinned: flags[1],
            condition,
            verified_at,
            refuted: None,
            counts: MemberCounts {
                files: counts[0],
                directories: counts[1],
                others: counts[2],
                skipped_sockets: counts[3],
                changed: counts[4],
                vanished: counts[5],
                unreadable: counts[6],
            },
            config_hash,
            config_commit,
            job_json,
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_between_the_catalogue_and_the_sidecar(archive in archives()) {
        let text = to_text(&archive);
        prop_assert_eq!(from_text(text.as_bytes(), &place()).unwrap(), archive);
    }

    #[test]
    fn fields_that_a_later_version_adds_are_ignored(archive in archives()) {
        let mut value: Value = serde_json::from_str(&to_text(&archive)).unwrap();
        value["weather"] = Value::from("fine");
        value["counts"]["doors"] = Value::from(3);
        prop_assert_eq!(from_text(value.to_string().as_bytes(), &place()).unwrap(), archive);
    }
}

const EXAMPLE: &str = r#"{
  "schema": 1,
  "id": "6f1de7a6-6f0a-4b63-8d6e-3f1c2c9d0a11",
  "name": "jerry_nocodb_20260508",
  "instance": "jerry",
  "job": "nocodb",
  "type": "custom_dir",
  "label": "nocodb",
  "created_at": "2026-05-08T01:00:00Z",
  "day": "2026-05-08",
  "zone": "Europe/Paris",
  "content_size": 123456,
  "stream_size": 133120,
  "file_size": 40000,
  "stream_sha256": "00000000000000000000000000000000000000000000000000000000000000aa",
  "file_sha256": "00000000000000000000000000000000000000000000000000000000000000bb",
  "codec": "zstd:3",
  "recipients": [],
  "outcome": "suspect",
  "outcome_reasons": [
    "content is 12% of the usual size"
  ],
  "partial_allowed": false,
  "how": "received",
  "from": "tom",
  "received_at": "2026-05-08T02:00:00Z",
  "pinned": true,
  "counts": {
    "files": 3,
    "directories": 1,
    "others": 0,
    "skipped_sockets": 0,
    "changed": 0,
    "vanished": 0,
    "unreadable": 0
  },
  "config_commit": "0123456789abcdef0123456789abcdef01234567",
  "job_config": {
    "source_path": "/opt/nocodb",
    "type": "custom_dir"
  }
}
"#;

#[test]
fn files_written_by_the_first_version_stay_readable_and_are_written_the_same() {
    let archive = from_text(EXAMPLE.as_bytes(), &place()).unwrap();
    assert_eq!(archive.how, How::Received { from: "tom".parse().unwrap() });
    assert_eq!(archive.outcome, Outcome::Suspect("content is 12% of the usual size".to_owned()));
    assert!(archive.pinned);
    assert_eq!(to_text(&archive), EXAMPLE);
}

#[test]
fn of_a_copy_it_says_whether_its_original_was_made_by_hand_and_may_say_nothing() {
    let from = place();
    let old = EXAMPLE.replace("\"received\"", "\"copied\"").replace("\"tom\"", "\"main\"");
    let archive = from_text(old.as_bytes(), &place()).unwrap();
    assert_eq!(archive.how, How::Copied { from: from.clone(), manual: false });
    let how = How::Copied { from, manual: true };
    let text = to_text(&Archive { how: how.clone(), ..archive });
    assert!(text.contains("\"manual\": true"), "{text}");
    let read = from_text(text.as_bytes(), &place()).unwrap();
    assert!(read.how == how && read.how.is_manual());
}

#[test]
fn a_sidecar_that_cannot_be_understood_is_refused_with_the_reason() {
    let refused = |from: &str, to: &str| {
        let text = EXAMPLE.replace(from, to);
        assert_ne!(text, EXAMPLE);
        from_text(text.as_bytes(), &place()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("\"schema\": 1", "\"schema\": 2"),
        @"written in schema 2, this version reads up to schema 1");
    insta::assert_snapshot!(refused("\"received\"", "\"teleported\""),
        @"`how` cannot be `teleported`");
    insta::assert_snapshot!(refused("jerry_nocodb_20260508", "../../etc/passwd"),
        @"`name` cannot be `../../etc/passwd`");
    insta::assert_snapshot!(refused("00aa\"", "00\""),
        @"`stream_sha256` cannot be `00000000000000000000000000000000000000000000000000000000000000`");
    insta::assert_snapshot!(refused("\"file_size\": 40000,", "\"file_size\": -1,"),
        @"not a description of an archive");
    insta::assert_snapshot!(from_text(b"", &place()).unwrap_err().to_string(),
        @"not a description of an archive");
}
