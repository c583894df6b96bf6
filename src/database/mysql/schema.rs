//! `DATABASE.create.sql`: the database itself, and who may do what with it.
//!
//! One statement on each line, so that a restore can carry them out one by one; what could not be
//! read stands there as a comment with the reason.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::client::{Client, identifier, text};
use super::rights::Grant;
use crate::database::DatabaseError;
use crate::database::said::cut_short;

/// A user, or a role, which has no host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    user: String,
    host: String,
}

impl Account {
    fn is_role(&self) -> bool {
        self.host.is_empty() && !self.user.is_empty()
    }

    /// The role that everybody has.
    fn is_public(&self) -> bool {
        self.is_role() && self.user == "PUBLIC"
    }

    fn sql(&self) -> String {
        if self.is_public() {
            "PUBLIC".to_owned()
        } else if self.is_role() {
            identifier(&self.user)
        } else {
            format!("{}@{}", identifier(&self.user), identifier(&self.host))
        }
    }
}

/// The statement that makes the database as it is.
pub(super) fn create_database(client: &Client, name: &str) -> Result<String, DatabaseError> {
    let rows = client.query(
        Some(name),
        &format!("SHOW CREATE DATABASE IF NOT EXISTS {};\n", identifier(name)),
    )?;
    let statement = rows.into_iter().next().and_then(|row| row.into_iter().nth(1));
    let statement = statement.ok_or_else(|| DatabaseError::Unknown(name.to_owned()))?;
    Ok(statement.replace("/*!32312 IF NOT EXISTS*/", "IF NOT EXISTS"))
}

/// The whole file.
pub(super) fn create_sql(client: &Client, name: &str) -> Result<String, DatabaseError> {
    let mut sql = String::from(
        "-- How the database was made, and who had rights on it. One statement on each line.\n",
    );
    statement(&mut sql, &create_database(client, name)?);
    match accounts(client, name) {
        Ok(accounts) => rights(client, name, &accounts, &mut sql)?,
        Err(error) if is_refusal(&error) => {
            remark(&mut sql, "the rights of others could not be read", &error);
            let own = client.query(None, "SELECT CURRENT_USER();\n")?;
            let own = own.into_iter().next().and_then(|row| row.into_iter().next());
            let own = own.unwrap_or_default();
            let (user, host) = own.rsplit_once('@').unwrap_or((&own, "%"));
            let own = Account { user: user.to_owned(), host: host.to_owned() };
            rights(client, name, &BTreeSet::from([own]), &mut sql)?;
        }
        Err(error) => return Err(error),
    }
    Ok(sql)
}

/// Whether the server said no to this question, rather than that something broke.
fn is_refusal(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Refused { .. } => true,
        DatabaseError::Failed { said, .. } => said.contains("ERROR "),
        DatabaseError::Missing { .. }
        | DatabaseError::Unreachable { .. }
        | DatabaseError::Unknown(_)
        | DatabaseError::Cut { .. }
        | DatabaseError::Io { .. }
        | DatabaseError::Secret(_)
        | DatabaseError::Process(_)
        | DatabaseError::Stopped(_) => false,
    }
}

/// Everybody who has a right on the database or on something in it.
fn accounts(client: &Client, name: &str) -> Result<BTreeSet<Account>, DatabaseError> {
    let wanted = text(name);
    let rows = client.query(
        None,
        &format!(
            "SELECT User, Host FROM mysql.db WHERE {wanted} LIKE Db\n\
             UNION SELECT User, Host FROM mysql.tables_priv WHERE Db = {wanted}\n\
             UNION SELECT User, Host FROM mysql.columns_priv WHERE Db = {wanted}\n\
             UNION SELECT User, Host FROM mysql.procs_priv WHERE Db = {wanted};\n"
        ),
    )?;
    Ok(rows.into_iter().filter_map(account).collect())
}

fn account(row: Vec<String>) -> Option<Account> {
    let mut row = row.into_iter();
    Some(Account { user: row.next()?, host: row.next()? })
}

fn rights(
    client: &Client,
    name: &str,
    accounts: &BTreeSet<Account>,
    sql: &mut String,
) -> Result<(), DatabaseError> {
    let (mut members, mut memberships) = (BTreeSet::new(), Vec::new());
    for role in accounts.iter().filter(|account| account.is_role() && !account.is_public()) {
        statement(sql, &format!("CREATE ROLE IF NOT EXISTS {}", role.sql()));
        // Who made a role has it with ADMIN OPTION; whoever makes it again will, too.
        let asked = format!(
            "SELECT User, Host FROM mysql.roles_mapping WHERE Role = {} AND Admin_option = 'N';\n",
            text(&role.user)
        );
        for member in client.query(None, &asked)?.into_iter().filter_map(account) {
            memberships.push(format!("GRANT {} TO {}", role.sql(), member.sql()));
            members.insert(member);
        }
    }
    for account in accounts.union(&members).filter(|account| !account.is_role()) {
        match client.query(None, &format!("SHOW CREATE USER {};\n", account.sql())) {
            Ok(rows) => {
                // A second row says when the password expires.
                for made in rows.into_iter().filter_map(|row| row.into_iter().next()) {
                    let made = match made.strip_prefix("CREATE USER ") {
                        Some(rest) => format!("CREATE USER IF NOT EXISTS {rest}"),
                        None => made,
                    };
                    statement(sql, &made);
                }
            }
            Err(error) if is_refusal(&error) => {
                let what = format!("the user {} could not be read", account.sql());
                remark(sql, &what, &error);
            }
            Err(error) => return Err(error),
        }
    }
    for account in accounts {
        match client.query(None, &format!("SHOW GRANTS FOR {};\n", account.sql())) {
            Ok(rows) => {
                for line in rows.into_iter().filter_map(|row| row.into_iter().next()) {
                    if Grant::parse(&line).is_some_and(|grant| grant.is_about(name)) {
                        statement(sql, &line);
                    }
                }
            }
            Err(error) if is_refusal(&error) => {
                let what = format!("the rights of {} could not be read", account.sql());
                remark(sql, &what, &error);
            }
            Err(error) => return Err(error),
        }
    }
    for membership in memberships {
        statement(sql, &membership);
    }
    Ok(())
}

fn statement(sql: &mut String, statement: &str) {
    if statement.contains(['\n', '\r']) {
        let _ = writeln!(
            sql,
            "-- left out, since a name in it has a line break: {}",
            cut_short(statement)
        );
    } else {
        let _ = writeln!(sql, "{};", statement.trim_end());
    }
}

fn remark(sql: &mut String, what: &str, error: &DatabaseError) {
    let _ = writeln!(sql, "-- {}: {}", cut_short(what), cut_short(&error.to_string()));
}

/// The statements of such a file, the database's own first.
pub(super) fn statements(sql: &str) -> Option<(&str, Vec<&str>)> {
    let mut lines = sql.lines().filter(|line| !line.starts_with("--") && !line.trim().is_empty());
    let database = lines.next().filter(|line| line.starts_with("CREATE DATABASE "))?;
    Some((database, lines.collect()))
}
