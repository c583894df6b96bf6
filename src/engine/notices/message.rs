//! A message as it leaves.

use jiff::Zoned;

use crate::delivery::{Message, MessageItem};
use crate::model::name::{InstanceName, ObjectName};
use crate::notices::{self, Item};

/// What is due, in the words of the instance that tells.
pub(super) fn of(instance: &InstanceName, items: &[Item], now: &Zoned) -> Message {
    let title = notices::title(instance, items);
    let message = notices::text(items, now);
    let first = items.first();
    let job = first.and_then(|item| item.job.as_ref());
    let is_one_job = items.iter().all(|item| item.job.as_ref() == job);
    let time = |at: jiff::Timestamp| moment(&at.to_zoned(now.time_zone().clone()));
    Message {
        event: first.map_or("test", |item| item.event.word()).to_owned(),
        instance: instance.to_string(),
        at: moment(now),
        text: format!("{title}\n{message}"),
        title,
        message,
        job: job.filter(|_| is_one_job).map(ToString::to_string),
        run_id: first.filter(|_| items.len() == 1).and_then(|item| item.run).map(|run| run.0),
        verdict: first
            .filter(|_| is_one_job)
            .and_then(|item| item.verdict)
            .map(|verdict| verdict.words().to_owned()),
        items: items
            .iter()
            .map(|item| MessageItem {
                event: item.event.word().to_owned(),
                job: item.job.as_ref().map(ToString::to_string),
                run_id: item.run.map(|run| run.0),
                verdict: item.verdict.map(|verdict| verdict.words().to_owned()),
                since: time(item.since),
                reminder: item.reminder,
                text: notices::one_line(&item.text),
            })
            .collect(),
    }
}

/// What is sent to see whether it arrives.
pub(super) fn test(instance: &InstanceName, target: &ObjectName, now: &Zoned) -> Message {
    let title = format!("larder on {instance}: a test");
    let message = format!("a test of `[notify.{target}]`: what larder has to say arrives here");
    Message { text: format!("{title}\n{message}"), title, message, ..of(instance, &[], now) }
}

/// RFC 3339 with offset.
fn moment(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
