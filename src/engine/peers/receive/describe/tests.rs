use super::*;
use crate::location::sidecar;

const SIZE: u64 = 10_240;

fn check(file: &str, info: Option<&Value>) -> Result<(Archive, String), String> {
    let (peer, space): (PlaceName, PlaceName) =
        ("tom".parse().unwrap(), "received/tom".parse().unwrap());
    let own: Vec<InstanceName> = vec!["jerry".parse().unwrap(), "spike".parse().unwrap()];
    let now: Zoned = "2026-05-08T12:00:00[Europe/Paris]".parse().unwrap();
    let known = Known {
        peer: &peer,
        space: &space,
        file: &file.parse().unwrap(),
        size: SIZE,
        checksum: Sha256([7; 32]),
        now: &now,
        own: &own,
    };
    describe(known, info).map_err(|error| error.to_string())
}

/// What an honest sender says, with changes.
fn honest(change: impl FnOnce(&mut Value)) -> Value {
    let mut archive = check("tom_web_20260507.tar", None).unwrap().0;
    archive.job = "web".parse().unwrap();
    archive.how = How::Scheduled;
    archive.job_json = Some("{\"source_path\":\"/var/www\"}".to_owned());
    archive.verified_at = None;
    let mut value = serde_json::from_str(&sidecar::to_text(&archive)).unwrap();
    change(&mut value);
    value
}

fn refused(info: &Value) -> String {
    check("tom_web_20260507.tar", Some(info)).unwrap_err()
}

#[test]
fn without_a_word_it_is_in_a_series_of_its_own_in_the_name_of_its_sender() {
    let (archive, info_json) = check("whatever.tar.zst.age", None).unwrap();
    assert_eq!((archive.origin.as_str(), archive.job.as_str()), ("tom", "uploads"));
    assert_eq!(archive.codec.extension(!archive.recipients.is_empty()), ".tar.zst.age");
    assert_eq!(archive.stream_sha256, None);
    assert_eq!(archive.how, How::Received { from: "tom".parse().unwrap() });
    let info: Value = serde_json::from_str(&info_json).unwrap();
    assert!(info["size"].as_u64().unwrap() > 0 && info["description"].is_string());
}

#[test]
fn a_sidecar_is_believed_where_it_can_be_and_never_about_what_is_ours_to_say() {
    let info = honest(|value| {
        value["pinned"] = true.into();
        value["corrupt"] = true.into();
        value["trashed_until"] = "2027-01-01T00:00:00Z".into();
        value["verified_at"] = "2026-05-07T00:00:00Z".into();
        value["zone"] = "Mars/Olympus\u{1b}[2J".into();
        value["how"] = "manual".into();
        value["config_hash"] = "<script>".into();
        value["outcome"] = "suspect".into();
        value["outcome_reasons"] = serde_json::json!(["half\u{1b}[31m gone"]);
        value["info_json"] = "{\"description\":\"theirs\"}".into();
    });
    let (archive, info_json) = check("tom_web_20260507.tar", Some(&info)).unwrap();
    assert_eq!((archive.origin.as_str(), archive.job.as_str()), ("tom", "web"));
    assert_eq!(archive.id.to_string(), info["id"].as_str().unwrap());
    assert!(!archive.pinned && archive.condition == Condition::Present);
    assert_eq!((archive.verified_at, archive.config_hash), (None, None));
    assert_eq!(archive.zone, "Europe/Paris");
    assert_eq!(archive.how, How::Received { from: "tom".parse().unwrap() });
    assert_eq!(archive.outcome, Outcome::Suspect("half\u{fffd}[31m gone".to_owned()));
    assert_eq!(info_json, "{\"description\":\"theirs\"}");
}

#[test]
fn a_description_of_another_file_is_refused() {
    type Lie = (&'static str, Value, &'static str);
    let lies: [Lie; 10] = [
        ("name", "tom_web_20260508".into(), "the name"),
        ("file_size", 1.into(), "1 bytes"),
        ("file_sha256", "08".repeat(32).into(), "another SHA-256"),
        ("stream_sha256", "08".repeat(32).into(), "another plain stream"),
        ("stream_size", 1.into(), "another plain stream"),
        ("codec", "zstd:3".into(), "another encoding"),
        ("recipients", serde_json::json!(["age1x"]), "another encoding"),
        ("schema", 2.into(), "schema"),
        ("instance", "jerry".into(), "which is this instance"),
        ("instance", "spike".into(), "which is this instance"),
    ];
    for (key, value, why) in lies {
        let told = refused(&honest(|info| info[key] = value));
        assert!(told.contains(why), "{key}: {told}");
    }
}

#[test]
fn hostile_json_is_refused_or_cut_before_it_costs_anything() {
    let deep = |levels: usize| (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]));
    let info = |value: Value| honest(|info| info["extra"] = value);
    assert!(check("tom_web_20260507.tar", Some(&info(deep(DEPTH_MAX - 1)))).is_ok());
    assert!(refused(&info(deep(DEPTH_MAX))).contains("deeper"));
    assert!(refused(&info(deep(100))).contains("deeper"));
    for shape in [serde_json::json!([]), "text".into(), 7.into(), true.into()] {
        assert!(refused(&shape).contains("not an object"));
    }
    let long = "x".repeat(SENT_MAX);
    let (archive, _) = check(
        "tom_web_20260507.tar",
        Some(&honest(|info| {
            info["job_config"] = serde_json::json!({ "excludes": [long.clone()] });
        })),
    )
    .unwrap();
    assert_eq!(archive.job_json, None, "the table of a job is kept where it is small");
    let recipients: Vec<String> = vec!["age1".repeat(40); RECIPIENTS_MAX + 1];
    let told = check(
        "tom_web_20260507.tar.age",
        Some(&honest(|info| info["recipients"] = serde_json::json!(recipients))),
    );
    assert!(told.unwrap_err().contains("recipients"));
    let told = refused(&honest(|info| info["info_json"] = "[]".into()));
    assert!(told.contains("info_json"), "{told}");
    let told = refused(&honest(|info| {
        info["info_json"] = format!("{{\"a\":\"{}\"}}", "x".repeat(INFO_JSON_MAX)).into();
    }));
    assert!(told.contains("too long"), "{told}");
}

#[test]
fn what_yunohost_says_gives_a_time_and_a_size() {
    let info = serde_json::json!({ "description": "d", "created_at": 1_778_209_200, "size": 5 });
    let (archive, info_json) = check("20260508-030000.tar.gz", Some(&info)).unwrap();
    assert_eq!((archive.created_at.as_second(), archive.content_size), (1_778_209_200, 5));
    assert_eq!(serde_json::from_str::<Value>(&info_json).unwrap(), info);
    let odd = serde_json::json!({ "created_at": "yesterday", "size": -1 });
    assert!(check("a.tar", Some(&odd)).is_ok());
}

#[test]
fn a_peer_with_a_long_name_is_an_instance_with_a_short_one() {
    let peer = format!("{}.tar-{}", "a".repeat(28), "b".repeat(10)).parse().unwrap();
    assert_eq!(origin_of(&peer).as_str(), format!("{}.ta", "a".repeat(28)));
}
