//! Dump, drop, restore: equal.

use larder::database::{holds, list, missing_program, size};
use larder::stop::Stop;

use super::scene::{
    KIND, TIMEOUT, assert_same, databases, drop_database, dump_into, dumped, fingerprint, fresh,
    loaded, psql, server_or_skip, told,
};
use crate::support;

/// A bit of everything that a database can hold.
const EVERYTHING: &str = r#"
create schema shop;
create extension if not exists pg_trgm;
create extension if not exists hstore schema shop;
create type shop.mood as enum ('sad', 'ok', 'happy');
create domain shop.positive as int check (value > 0);
create table shop.customers (
  id bigint generated always as identity primary key, name text not null unique, mood shop.mood default 'ok',
  tags shop.hstore, doc jsonb, raw bytea, at timestamptz, numbers int[], price numeric(12, 3),
  shout text generated always as (upper(name)) stored);
insert into shop.customers (name, mood, tags, doc, raw, at, numbers, price)
  select 'name ' || i || E'\t\\ "q" ''s'' \n ü €', 'happy', shop.hstore('k', i::text), jsonb_build_object('i', i),
    decode(md5(i::text), 'hex'), '2026-03-29 02:30:00+00'::timestamptz + i * '1 hour'::interval, array[i, null], i / 7.0
  from generate_series(1, 500) i;
insert into shop.customers (name) values ('\N'), (''), (repeat('x', 100000));
create index on shop.customers using gin (name gin_trgm_ops);
create table shop.orders (id serial primary key, customer bigint references shop.customers, amount shop.positive) ;
insert into shop.orders (customer, amount) select i, i from generate_series(1, 300) i;
create table parts (day date, n int) partition by range (day);
create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01');
insert into parts select '2026-01-01'::date + i, i from generate_series(0, 99) i;
create table "Odd ""name"" ü" ("Col umn" int, "select" text); insert into "Odd ""name"" ü" values (1, null), (2, '');
create table nothing ();
create unlogged table fleeting (i int); insert into fleeting values (7);
create sequence counter start 5 increment 3; select nextval('counter'), nextval('counter');
create function add(a int, b int) returns int language sql immutable as 'select a + b';
create function touch() returns trigger language plpgsql as $f$ begin new.amount := new.amount; return new; end $f$;
create procedure nop() language plpgsql as 'begin null; end';
create trigger touched before update on shop.orders for each row execute function touch();
create view cheap as select * from shop.orders where amount < 10;
create materialized view totals as select count(*) as orders, sum(amount) as amount from shop.orders;
create rule quiet as on delete to shop.customers do instead nothing;
create aggregate total(int) (sfunc = add, stype = int, initcond = '0');
create function watch() returns event_trigger language plpgsql as 'begin null; end';
create event trigger watch on ddl_command_end when tag in ('CREATE RULE') execute function watch();
comment on table shop.orders is 'what; was -- ordered';
comment on column shop.orders.amount is E'it''s\nmuch';
comment on function add(int, int) is 'adds';
alter table shop.orders enable row level security, force row level security;
create policy mine on shop.orders for select to rt_reader using (customer = 1);
grant usage on schema shop to rt_reader;
grant select, insert (customer) on shop.orders to rt_reader with grant option;
grant execute on function add(int, int) to rt_reader; revoke execute on function add(int, int) from public;
alter default privileges for role rt_owner in schema shop grant select on tables to rt_reader;
alter table shop.customers owner to rt_owner; alter schema shop owner to rt_owner;
select lo_from_bytea(4711, decode(repeat('00ff0a5c', 50000), 'hex')), lo_from_bytea(4712, '');
grant select on large object 4711 to rt_reader; comment on large object 4711 is 'a picture'; alter large object 4712 owner to rt_owner;
"#;

const AROUND: &str = r#"
alter database round_trip owner to rt_owner;
alter database round_trip connection limit 17;
alter database round_trip set search_path to shop, "$user", public;
alter database round_trip set work_mem to '7MB';
alter role rt_reader in database round_trip set statement_timeout to '9s';
revoke all on database round_trip from public;
grant connect on database round_trip to rt_reader;
comment on database round_trip is E'the shop''s;\n\\connect nowhere\n';
"#;

#[test]
fn everything_in_a_database_and_around_it_comes_back() {
    let access = server_or_skip!();
    psql(
        access,
        "postgres",
        "do $$ begin create role rt_owner login; create role rt_reader; exception when duplicate_object then null; end $$;",
    );
    let have = psql(
        access,
        "postgres",
        "select count(*) from pg_available_extensions where name in ('pg_trgm', 'hstore');",
    );
    if have.trim() != "2" {
        support::skipped!("postgresql-contrib is not installed");
    }
    fresh(access, "round_trip", EVERYTHING);
    psql(access, "postgres", AROUND);
    let before = fingerprint(access, "round_trip");
    assert!(before.contains("the shop's;") && before.contains("4711"), "{before}");
    let (dir, findings) = dumped(access, "round_trip");
    assert!(findings.remarks.is_empty() && findings.doubt.is_none(), "{findings:?}");
    let mut members: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["globals.sql", "round_trip.create.sql", "round_trip.dump", "round_trip.settings.sql"]
    );
    drop_database(access, "round_trip");
    let result = loaded(access, "round_trip", dir.path());
    assert_same(&fingerprint(access, "round_trip"), &before);
    assert_eq!((result.tables, result.set_aside, result.remarks), (6, None, Vec::new()));
    // Once more over what is there now.
    loaded(access, "round_trip", dir.path());
    assert_same(&fingerprint(access, "round_trip"), &before);
}

#[test]
fn a_database_may_be_called_anything() {
    let access = server_or_skip!();
    let long = "long".repeat(15);
    let names = [
        "quo'te \"double\"",
        "-Dash",
        "ünï€code",
        "a=b host=c",
        "x/../y",
        "postgresql://elsewhere",
        "back\\slash %$HOME;`id`",
        "globals",
        &long,
        "select",
    ];
    for name in names {
        fresh(access, name, "create table t (i int); insert into t values (1), (2);");
        let before = fingerprint(access, name);
        assert!(list(KIND, access, &Stop::new()).unwrap().contains(&name.to_owned()), "{name}");
        assert!(size(KIND, access, name, &Stop::new()).unwrap().unwrap() > 1_000_000, "{name}");
        let (dir, _) = dumped(access, name);
        drop_database(access, name);
        assert_eq!(size(KIND, access, name, &Stop::new()).unwrap(), None);
        loaded(access, name, dir.path());
        assert_same(&fingerprint(access, name), &before);
        assert_eq!(
            holds(KIND, access, name, "select count(*) = 2 from t", &Stop::new()).ok(),
            Some(true)
        );
        drop_database(access, name);
    }
    let left = databases(access);
    let is_left = |left: &String| {
        names.iter().any(|name| left.starts_with("larder_") && left.ends_with(name))
    };
    assert!(!left.iter().any(is_left), "{left:?}");
}

#[test]
fn other_encodings_and_locales_come_back() {
    let access = server_or_skip!();
    for (name, how, script) in [
        (
            "enc_latin",
            "encoding 'LATIN1' locale 'C'",
            "create table t (n text); insert into t values (chr(233)); comment on table t is 'é';",
        ),
        (
            "enc_ascii",
            "encoding 'SQL_ASCII' locale 'C'",
            "create table t (n bytea); insert into t values ('\\xff');",
        ),
        (
            "enc_icu",
            "encoding 'UTF8' locale_provider icu icu_locale 'de-AT' locale 'C.UTF-8'",
            "create table t (n text); insert into t values ('ß');",
        ),
    ] {
        drop_database(access, name);
        psql(access, "postgres", &format!("create database {name} template template0 {how};"));
        psql(access, name, script);
        psql(access, name, &format!("comment on database {name} is 'naïve';"));
        let before = fingerprint(access, name);
        let (dir, _) = dumped(access, name);
        drop_database(access, name);
        loaded(access, name, dir.path());
        assert_same(&fingerprint(access, name), &before);
    }
}

#[test]
fn a_database_without_anything_in_it_is_doubted() {
    let access = server_or_skip!();
    fresh(
        access,
        "hollow",
        "create extension if not exists plpgsql; comment on schema public is 'x';",
    );
    let (dir, findings) = dumped(access, "hollow");
    assert_eq!(
        findings.doubt.as_deref(),
        Some("the database `hollow` holds nothing: no table, no function")
    );
    assert_eq!(loaded(access, "hollow", dir.path()).tables, 0);
    psql(access, "hollow", "create function f() returns int language sql as 'select 1';");
    assert_eq!(dumped(access, "hollow").1.doubt, None);
}

#[test]
fn the_servers_own_databases_are_nobodys() {
    let access = server_or_skip!();
    fresh(access, "listed", "create table t (i int);");
    let names = list(KIND, access, &Stop::new()).unwrap();
    assert!(names.contains(&"listed".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("template")), "{names:?}");
    assert!(!names.contains(&"postgres".to_owned()), "{names:?}");
    assert_eq!(missing_program(KIND), None);
}

#[test]
fn a_statement_holds_when_its_one_answer_is_true() {
    let access = server_or_skip!();
    fresh(access, "asserted", "create table t (i int); insert into t values (1), (1);");
    let check = |statement: &str| holds(KIND, access, "asserted", statement, &Stop::new());
    for (statement, expected) in [
        ("select count(*) > 0 from t", true),
        ("select 1", true),
        ("select 'true';", true),
        ("select count(*) > 5 from t", false),
        ("select 0", false),
        ("select null", false),
        ("select i from t where false", false),
        ("select i from t", false),
    ] {
        assert_eq!(check(statement).unwrap(), expected, "{statement}");
    }
    let error = check("select * from nowhere").unwrap_err().to_string();
    assert!(
        error.contains("relation \"nowhere\" does not exist") && !error.contains('\n'),
        "{error}"
    );
    assert!(check("\\! true").is_err());
}

#[test]
fn a_large_database_takes_constant_memory() {
    if !support::full() {
        support::skipped!("1 GB: only with LARDER_FULL=1");
    }
    let access = server_or_skip!();
    let script = "create table t as select i, md5(i::text) || md5((i + 1)::text) || md5((i + 2)::text) as x \
        from generate_series(1, 9000000) i;";
    fresh(access, "large", script);
    let mut uncompressed = access.clone();
    uncompressed.options = vec!["-Z0".to_owned()];
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    dump_into(&uncompressed, "large", dir.path(), dir.path(), &Stop::new(), 5 * TIMEOUT)
        .unwrap_or_else(|error| panic!("{}", told(&error)));
    let length = dir.path().join("large.dump").metadata().unwrap().len();
    assert!(length > 900 << 20, "{length}");
    loaded(access, "large", dir.path());
    let grown = peak() - before;
    println!("{length} bytes, {grown} KiB more");
    assert!(grown < 32 << 10, "{grown} KiB");
    drop_database(access, "large");
}
