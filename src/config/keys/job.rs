//! `[job.*]` and what is below it.

use super::Form::{
    Bool, Command, Integer, List, Name, NameOr, Path, Percent, Schedule, Secret, Text, Word,
};
use super::Need::{Default, Optional, Required};
use super::{Form, Key, Table, instance, place};
use crate::model::job::{CatchUp, Ended, JobState, JobType, SourceMount};

mod below;

use below::{DRILL, PROTECT, RESTORE, SEND_TO};

const CUSTOM_DIR: &[&str] = &[JobType::CustomDir.word()];
const DATABASES: &[&str] = &[JobType::Mysql.word(), JobType::Postgresql.word()];
const APP: &[&str] = &[JobType::YnhApp.word()];
const SYSTEM: &[&str] = &[JobType::YnhSystem.word()];
/// Those that can stand for many series (`*`).
const MANY: &[&str] = &[JobType::Mysql.word(), JobType::Postgresql.word(), JobType::YnhApp.word()];

pub(super) const JOB: Table = Table {
    title: "job.NAME",
    doc: "Which data is archived, when, where and for how long.",
    switch: Some("type"),
    keys: &[
        Key::new(
            "type",
            Word(&JobType::WORDS),
            Required,
            "\"custom_dir\"",
            "What kind of data it is.",
        ),
        Key::new(
            "source_path",
            Path,
            Required,
            "\"/opt/hermes-agent\"",
            "The directory, or file, that is read.",
        )
        .only(CUSTOM_DIR),
        Key::new(
            "excludes",
            List(&Text),
            Default("[]"),
            "[\"cache/\", \"logs/\", \"*.tmp\"]",
            "What is left out: patterns in gitignore syntax, rooted at the source.",
        )
        .only(CUSTOM_DIR),
        Key::new(
            "one_file_system",
            Bool,
            Default("true"),
            "false",
            "Whether to stay on the source's file system.",
        )
        .only(CUSTOM_DIR),
        Key::new(
            "source_mount",
            Word(&SourceMount::WORDS),
            Default("\"remembered\""),
            "\"required\"",
            "What must be mounted where the source lies: `remembered` what was when it was last archived, `required` some file system other than the root's, `any` nothing.",
        )
        .only(CUSTOM_DIR),
        Key::new(
            "database",
            Text,
            Required,
            "\"mabase\"",
            "The database, or `*` for each one, as its own series.",
        )
        .only(DATABASES),
        Key::new(
            "host",
            Text,
            Optional("the local socket"),
            "\"db.example.org\"",
            "The server, over TCP.",
        )
        .only(DATABASES),
        Key::new(
            "port",
            Integer(1, 65535),
            Optional("the server's usual one"),
            "3306",
            "Its TCP port.",
        )
        .only(DATABASES),
        Key::new(
            "socket",
            Path,
            Optional("the usual local one"),
            "\"/run/mysqld/mysqld.sock\"",
            "The server's socket.",
        )
        .only(DATABASES),
        Key::new(
            "user",
            Text,
            Optional("root, or the OS user postgres"),
            "\"mabase_user\"",
            "The database user.",
        )
        .only(DATABASES),
        Key::new(
            "password",
            Secret,
            Optional("none"),
            "{ file = \"/etc/larder/secrets/mabase\" }",
            "The user's password.",
        )
        .only(DATABASES),
        Key::new(
            "options",
            List(&Text),
            Default("[]"),
            "[\"--hex-blob\"]",
            "Further options of the dump program.",
        )
        .only(DATABASES),
        Key::new(
            "app_id",
            Text,
            Required,
            "\"nextcloud\"",
            "The app, or `*` for each installed one, as its own series.",
        )
        .only(APP),
        Key::new(
            "core_only",
            Bool,
            Default("false"),
            "true",
            "Whether the app's large data is left out.",
        )
        .only(APP),
        Key::new(
            "except",
            List(&Text),
            Default("[]"),
            "[\"my_webapp\"]",
            "With `*`: which are left out.",
        )
        .only(MANY),
        Key::new(
            "parts",
            List(&Text),
            Default("[]"),
            "[\"conf_ssh\", \"data_mail\"]",
            "Parts of the system; empty: all.",
        )
        .only(SYSTEM),
        Key::new(
            "schedule",
            Schedule,
            Optional("that of `[defaults]`"),
            "\"0 3 * * *\"",
            "When it runs: five fields as in crontab(5), in the instance's zone.",
        ),
        Key::new(
            "retention",
            NameOr(&place::RETENTION),
            Optional("that of `[defaults]`"),
            "{ mode = \"count\", value = 7 }",
            "Which archives stay at its location: the name of a `[retention.NAME]`, or a policy.",
        ),
        Key::new(
            "location",
            Name,
            Optional("that of `[defaults]`"),
            "\"main\"",
            "Where archives are made.",
        ),
        Key::new(
            "send_to",
            List(&NameOr(&SEND_TO)),
            Default("[]"),
            "[\"tom\", \"usb\"]",
            "Where copies go: names of locations and peers, or `[[job.NAME.send_to]]` tables.",
        ),
        Key::new(
            "before",
            List(&Command),
            Default("[]"),
            "[[\"systemctl\", \"stop\", \"hermes-agent\"]]",
            "Commands run before reading: lists of arguments; a text runs under `/bin/sh -c`.",
        ),
        Key::new(
            "after",
            List(&Command),
            Default("[]"),
            "[[\"systemctl\", \"start\", \"hermes-agent\"]]",
            "Commands run after reading, always: also after failure or cancel.",
        ),
        Key::new(
            "protect",
            Form::Table(&PROTECT),
            Optional("its defaults"),
            "{ max_age = \"auto\", copies = 2 }",
            "The outcome wanted; judged in the status.",
        ),
        Key::new(
            "drill",
            Form::Table(&DRILL),
            Optional("none"),
            "{ schedule = \"0 5 1 * *\" }",
            "A real restore into a scratch place, compared with the manifest.",
        ),
        Key::new(
            "restore",
            Form::Table(&RESTORE),
            Optional("files only"),
            "{ post_restore_commands = [\"systemctl restart hermes-agent\"] }",
            "What a restore does beside the files.",
        ),
        Key::new("enabled", Bool, Default("true"), "false", "Whether it runs at all."),
        Key::new(
            "label",
            Name,
            Optional("the job's name; `mysql_DATABASE`, `postgresql_DATABASE`; `system`"),
            "\"hermes-agent\"",
            "The middle of its archives' names; with `*`, what stands before each member's name.",
        ),
        instance::keep("timeout", "\"6h\"", "\"90 min\"", "The most time a run may take."),
        Key::new(
            "catch_up",
            Word(&CatchUp::WORDS),
            Optional("`\"now\"`, or `\"next\"` with `before` commands"),
            "\"now\"",
            "What happens to a time that was missed, and to a job that never ran: `now` runs it once at once, `next` waits.",
        ),
        Key::new(
            "retries",
            Integer(0, 10),
            Default("3"),
            "3",
            "How often a failed scheduled run is tried again (after 15 min, 1 h, 4 h) before it is next due.",
        ),
        Key::new(
            "allow_partial",
            Bool,
            Default("false"),
            "true",
            "Whether an archive that misses unreadable files counts as good.",
        ),
        Key::new(
            "shrink_alarm",
            Percent,
            Default("\"50%\""),
            "\"30%\"",
            "An archive whose content is below this share of the usual is suspect.",
        ),
        instance::keep("suspect_keep", "\"14d\"", "\"14d\"", "How long suspect archives stay."),
        instance::keep(
            "manual_keep",
            "\"30d\"",
            "\"30d\"",
            "How long archives of manual runs stay.",
        ),
        instance::keep(
            "hold_max",
            "\"7d\"",
            "\"7d\"",
            "How long archives wait at most for copies that `protect` wants.",
        ),
        Key::new(
            "formerly",
            List(&Name),
            Default("[]"),
            "[\"old-name\"]",
            "Earlier names of this job: their archives follow.",
        ),
        Key::new(
            "state",
            Word(&JobState::WORDS),
            Default("\"present\""),
            "\"absent\"",
            "`absent` ends the job.",
        ),
        Key::new(
            "archives",
            Word(&Ended::WORDS),
            Default("\"keep\""),
            "\"expire\"",
            "What becomes of the archives of a job with `state = \"absent\"`.",
        ),
    ],
};
