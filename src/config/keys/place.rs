//! `[retention.*]` and `[location.*]`.

use super::Form::{Bool, Codec, Integer, List, Path, Recipient, Secret, Size, Word};
use super::Need::{Default, Optional, Required};
use super::{Key, Table, instance};
use crate::model::location::LocationType;
use crate::model::retention::Counting;

const NUMBER: &[&str] = &[Counting::Count.word(), Counting::Daily.word()];
const GFS: &[&str] = &[Counting::Gfs.word()];
const MOST: i64 = 100_000;

pub(super) const RETENTION: Table = Table {
    title: "retention.NAME",
    doc: "A policy: which archives of a series stay. Also written in place: `retention = { mode = \"count\", value = 7 }`.",
    switch: Some("mode"),
    keys: &[
        Key::new(
            "mode",
            Word(&Counting::WORDS),
            Required,
            "\"gfs\"",
            "`count`: the newest. `daily`: the newest of each of the last days. `gfs`: days, weeks, months, years.",
        ),
        Key::new(
            "value",
            Integer(1, MOST),
            Required,
            "7",
            "How many archives (`count`), or how many days before the newest archive's (`daily`).",
        )
        .only(NUMBER),
        Key::new("daily", Integer(0, MOST), Default("0"), "7", "So many days that have an archive.")
            .only(GFS)
            .unit("days"),
        Key::new("weekly", Integer(0, MOST), Default("0"), "4", "So many ISO weeks that have one.")
            .only(GFS)
            .unit("weeks"),
        Key::new("monthly", Integer(0, MOST), Default("0"), "3", "So many months that have one.")
            .only(GFS)
            .unit("months"),
        Key::new("yearly", Integer(0, MOST), Default("0"), "1", "So many years that have one.")
            .only(GFS)
            .unit("years"),
        Key::new(
            "min_days",
            Integer(0, MOST),
            Default("3"),
            "3",
            "The floor: the newest good archive of the last so many days that have one stays too. The newest good one always stays.",
        )
        .unit("days"),
    ],
};

pub(super) const LOCATION: Table = Table {
    title: "location.NAME",
    doc: "A place of this host where archives rest. Locations and peers share one name space.",
    switch: Some("type"),
    keys: &[
        Key::new(
            "type",
            Word(&LocationType::WORDS),
            Default("\"folder\""),
            "\"folder\"",
            "What kind of place it is.",
        ),
        Key::new(
            "path",
            Path,
            Required,
            "\"/home/yunohost.backup/archives\"",
            "The folder. It is created, with a marker file, only if no marker of it was ever recorded.",
        ),
        Key::new(
            "compress",
            Codec,
            Default("\"none\""),
            "\"zstd:3\"",
            "`none`, `gzip[:LEVEL]` (0 to 9) or `zstd[:LEVEL]` (1 to 19).",
        ),
        Key::new(
            "encrypt_to",
            List(&Recipient),
            Default("[]"),
            "[\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]",
            "age recipients; `[recovery] recipients` are added. Empty: not encrypted.",
        ),
        Key::new(
            "removable",
            Bool,
            Default("false"),
            "true",
            "Whether it comes and goes: its absence is no failure before a job's `max_age`.",
        ),
        Key::new(
            "require_mount",
            Bool,
            Default("false"),
            "true",
            "Whether it must lie on a mounted file system other than the root's.",
        ),
        Key::new(
            "min_free",
            Size,
            Default("\"1 GiB\""),
            "\"10 GiB\"",
            "Space that a run must leave free.",
        ),
        Key::new(
            "offsite",
            Bool,
            Default("false"),
            "true",
            "Whether it counts as off-site in `protect`.",
        ),
        Key::new(
            "identity",
            Secret,
            Optional("none"),
            "{ file = \"/etc/larder/secrets/identity\" }",
            "The age identity, for unattended drills of encrypted archives.",
        ),
        instance::keep(
            "trash",
            "\"24h\"",
            "\"24h\"",
            "How long a deleted archive can be taken back.",
        ),
    ],
};
