//! Mistakes in what jobs are made of and refer to.

use insta::assert_snapshot;

use super::told;

#[test]
fn a_home_that_the_shell_would_expand() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir"
source_path = "~/data""#), @r#"
    error: `~` is not expanded here
     --> it.toml:3:15
      |
    3 | source_path = "~/data"
      |               ^^^^^^^^
      |
    hint: write the path in full
    "#);
}

#[test]
fn a_job_without_a_type() {
    assert_snapshot!(told(r#"[job.a]
source_path = "/srv""#), @r#"
    error: `type` is missing
     --> it.toml:1:6
      |
    1 | [job.a]
      |      ^
      |
    hint: for instance `type = "custom_dir"`
    "#);
}

#[test]
fn a_job_without_a_source() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir""#), @r#"
    error: `source_path` is missing
     --> it.toml:1:6
      |
    1 | [job.a]
      |      ^
      |
    hint: for instance `source_path = "/opt/hermes-agent"`
    "#);
}

#[test]
fn a_job_of_an_unknown_type() {
    assert_snapshot!(told(r#"[job.a]
type = "custom-dir"
source_path = "/srv""#), @r#"
    error: `type` cannot be `custom-dir`
     --> it.toml:2:8
      |
    2 | type = "custom-dir"
      |        ^^^^^^^^^^^^
      |
    hint: did you mean `custom_dir`?
    "#);
}

#[test]
fn two_jobs_whose_archives_have_one_name() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir"
source_path = "/a"
label = "x"
[job.b]
type = "custom_dir"
source_path = "/b"
label = "x""#), @r#"
    error: jobs `b` and `a` both put archives `jerry_x_…` at `main`; the other is at it.toml:1:6
     --> it.toml:8:9
      |
    8 | label = "x"
      |         ^^^
      |
    hint: give one of them a `label` of its own
    "#);
}

#[test]
fn a_name_with_a_slash() {
    assert_snapshot!(told(r#"[job."a/b"]
type = "custom_dir"
source_path = "/a""#), @r#"
    error: a name has letters, digits, `_`, `-` and `.`
     --> it.toml:1:6
      |
    1 | [job."a/b"]
      |      ^^^^^
    "#);
}

#[test]
fn a_policy_that_keeps_nothing() {
    assert_snapshot!(told(r#"[retention.none]
mode = "gfs"
monthly = 0"#), @r"
    error: this policy keeps nothing: `daily`, `weekly`, `monthly` and `yearly` are all 0
     --> it.toml:1:12
      |
    1 | [retention.none]
      |            ^^^^
      |
    hint: for instance `daily = 7`, `weekly = 4`, `monthly = 3`
    ");
}

#[test]
fn a_policy_that_counts_to_nothing() {
    assert_snapshot!(told(r#"[retention.none]
mode = "count"
value = 0"#), @r"
    error: `value` must be between 1 and 100000, and is 0
     --> it.toml:3:9
      |
    3 | value = 0
      |         ^
      |
    hint: write 1 or more
    ");
}

#[test]
fn a_policy_with_the_keys_of_another_mode() {
    assert_snapshot!(told(r#"[retention.x]
mode = "count"
daily = 7"#), @r#"
    error: `value` is missing
     --> it.toml:1:12
      |
    1 | [retention.x]
      |            ^
      |
    hint: for instance `value = 7`

    error: `daily` does not belong to `mode = "count"`
     --> it.toml:3:1
      |
    3 | daily = 7
      | ^^^^^
      |
    hint: it belongs to `gfs`
    "#);
}

#[test]
fn two_locations_in_one_folder() {
    assert_snapshot!(told(r#"[location.other]
path = "/srv/../srv/larder""#), @r#"
    error: locations `other` and `main` are the same folder
     --> it.toml:2:8
      |
    2 | path = "/srv/../srv/larder"
      |        ^^^^^^^^^^^^^^^^^^^^
      |
    hint: the other is at base.toml:8:11
    "#);
}

#[test]
fn a_size_without_a_unit() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
min_free = "10""#), @r#"
    error: `10` has no unit: B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB)
     --> it.toml:3:12
      |
    3 | min_free = "10"
      |            ^^^^
      |
    hint: write it like `"10 GiB"`
    "#);
}

#[test]
fn a_size_in_lower_case() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
min_free = "10 gib""#), @r#"
    error: `gib` is not a unit of size (`GiB`?)
     --> it.toml:3:12
      |
    3 | min_free = "10 gib"
      |            ^^^^^^^^
      |
    hint: write it like `"10 GiB"`
    "#);
}

#[test]
fn an_unknown_compression() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
compress = "xz""#), @r#"
    error: `xz` is not a compression: `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`
     --> it.toml:3:12
      |
    3 | compress = "xz"
      |            ^^^^
      |
    hint: write it like `"zstd:3"`
    "#);
}

#[test]
fn a_level_that_zstd_does_not_have() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
compress = "zstd:22""#), @r#"
    error: `zstd` has the levels 1 to 19, not `22`
     --> it.toml:3:12
      |
    3 | compress = "zstd:22"
      |            ^^^^^^^^^
      |
    hint: write it like `"zstd:3"`
    "#);
}

#[test]
fn a_former_name_that_lives() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir"
source_path = "/a"
[job.b]
type = "custom_dir"
source_path = "/b"
formerly = ["a"]"#), @r#"
    error: `a` is a job of its own and cannot be a former name
     --> it.toml:7:12
      |
    7 | formerly = ["a"]
      |            ^^^^^
      |
    hint: its archives can follow one job only
    "#);
}

#[test]
fn a_job_that_reads_its_own_archives_is_a_warning() {
    assert_snapshot!(told(r#"[job.srv]
type = "custom_dir"
source_path = "/srv""#), @r#"
    warning: the archives at `main` lie inside what this job reads
     --> it.toml:3:15
      |
    3 | source_path = "/srv"
      |               ^^^^^^
      |
    hint: add `"/larder/"` to `excludes`
    "#);
}

#[test]
fn a_copy_whose_name_another_job_uses_there() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir"
source_path = "/a"
label = "x"
send_to = ["usb"]
[job.b]
type = "custom_dir"
source_path = "/b"
label = "x"
location = "usb""#), @r#"
    error: jobs `b` and `a` both put archives `jerry_x_…` at `usb`; the other is at it.toml:1:6
     --> it.toml:9:9
      |
    9 | label = "x"
      |         ^^^
      |
    hint: give one of them a `label` of its own
    "#);
}

#[test]
fn the_page_lets_users_in_over_a_socket_only_and_says_who() {
    let with = |listen: &str, page: &str| {
        told(&format!("[instance]\nname = \"jerry\"\nlisten = [{listen}]\npage = {page}\n"))
    };
    let socket = "\"unix:/run/larder/web.sock\"";
    assert_eq!(with(socket, r#"{ user_header = "YNH_USER", users = ["alice"] }"#), "");
    assert_eq!(with(socket, r#"{ user_header = "X-Remote-User", users = ["*"] }"#), "");
    for (listen, page, words) in [
        (
            "\"127.0.0.1:8470\"",
            r#"{ user_header = "YNH_USER", users = ["a"] }"#,
            "`listen` has none",
        ),
        ("", r#"{ user_header = "YNH_USER", users = ["a"] }"#, "`listen` has none"),
        (socket, r#"{ user_header = "YNH_USER" }"#, "`users`"),
        (socket, r#"{ users = ["a"] }"#, "`user_header`"),
        (socket, r#"{ user_header = "YNH_USER", users = [] }"#, "nobody is let in"),
        (socket, r#"{ user_header = "YNH_USER", users = ["*", "a"] }"#, "stands alone"),
        (socket, r#"{ user_header = "YNH_USER", users = [""] }"#, "the text is empty"),
        (socket, r#"{ user_header = "a b", users = ["a"] }"#, "not the name of a header"),
        (socket, r#"{ user_header = "Cookie", users = ["a"] }"#, "browsers set themselves"),
    ] {
        let told = with(listen, page);
        assert!(told.contains(words) && told.contains("it.toml:"), "{page}: {told}");
    }
}
