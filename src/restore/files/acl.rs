//! POSIX ACLs as text into the form of the kernel: the inverse of what the source makes of them.

use super::owners::Names;

/// An ACL as the kernel takes it, and what its owning group may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl {
    pub(super) bytes: Vec<u8>,
    pub(super) group: u16,
}

/// Understands `user::rw-,user:alice:r--,group::r--,mask::r--,other::---`, with numbers for names,
/// line breaks for commas, and a number behind the permissions as bsdtar writes it. `None` for
/// anything else.
pub(super) fn parse(text: &[u8], by_name: bool, names: &mut Names) -> Option<Acl> {
    let text = std::str::from_utf8(text).ok()?;
    let mut entries: Vec<(u16, u32, u16)> = Vec::new();
    for part in text.split([',', '\n']) {
        let part = part.split('#').next().unwrap_or_default().trim();
        if part.is_empty() {
            continue;
        }
        let fields: Vec<&str> = part.split(':').collect();
        let (kind, who, permissions, number) = match fields.as_slice() {
            [kind, who, permissions] => (*kind, *who, *permissions, None),
            [kind, who, permissions, number] => (*kind, *who, *permissions, number.parse().ok()),
            // `other:r--`, as some write it.
            [kind @ ("mask" | "other"), permissions] => (*kind, "", *permissions, None),
            _ => return None,
        };
        let bits = bits(permissions)?;
        let mut id = |is_user: bool| -> Option<u32> {
            let mut by_its_name = || {
                if is_user { names.user(who.as_bytes()) } else { names.group(who.as_bytes()) }
            };
            let told = || number.or_else(|| who.parse().ok());
            let id =
                if by_name { by_its_name().or_else(told) } else { told().or_else(by_its_name) };
            id.filter(|id| *id != u32::MAX)
        };
        entries.push(match (kind, who.is_empty()) {
            ("user" | "u", true) => (0x01, u32::MAX, bits),
            ("user" | "u", false) => (0x02, id(true)?, bits),
            ("group" | "g", true) => (0x04, u32::MAX, bits),
            ("group" | "g", false) => (0x08, id(false)?, bits),
            ("mask" | "m", true) => (0x10, u32::MAX, bits),
            ("other" | "o", true) => (0x20, u32::MAX, bits),
            _ => return None,
        });
    }
    entries.sort_unstable();
    let count = |tag| entries.iter().filter(|entry| entry.0 == tag).count();
    let has_named = count(0x02) + count(0x08) > 0;
    let is_whole = [0x01, 0x04, 0x20].iter().all(|tag| count(*tag) == 1);
    let masks = count(0x10);
    let is_twice = entries.windows(2).any(|two| two[0].0 == two[1].0 && two[0].1 == two[1].1);
    if !is_whole || masks > 1 || (has_named && masks == 0) || is_twice || entries.len() > 4096 {
        return None;
    }
    let group = entries.iter().find(|entry| entry.0 == 0x04)?.2;
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, id, bits) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    Some(Acl { bytes, group })
}

fn bits(text: &str) -> Option<u16> {
    text.bytes().try_fold(0, |bits, letter| match letter {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<Acl> {
        parse(text.as_bytes(), true, &mut Names::default())
    }

    #[test]
    fn text_becomes_what_the_kernel_takes() {
        let acl = check("user::rw-,user:1234:r--,group::r--,group:2345:rwx,mask::rwx,other::---")
            .unwrap();
        assert_eq!(acl.bytes.len(), 4 + 6 * 8);
        assert_eq!(acl.bytes[..12], [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255]);
        assert_eq!(acl.bytes[12..20], [2, 0, 4, 0, 0xd2, 4, 0, 0]);
        assert_eq!(acl.group, 4);
        let lines = "user::rw-\nuser:1234:r--\ngroup::r--\ngroup:2345:rwx\nmask::rwx\nother::---\n";
        assert_eq!(check(lines), Some(acl));
        assert!(
            check("user::rwx,user:nobody-here:r--:77,group::---,mask::r--,other::---").is_some()
        );
    }

    #[test]
    fn garbage_is_none() {
        for bad in [
            "",
            "x",
            "user::rw-",
            "user::rwz,group::r--,other::r--",
            "a:b:c:d:e",
            "user::rw-,user::rw-,group::r--,other::r--",
            "user::rw-,group::r--,other:x:r--",
            "user::rw-,user:5:r--,group::r--,other::r--",
            "user:4294967295:r--,user::r--,group::r--,mask::r--,other::r--",
            "user::rw-,user:no-such-person:r--,group::r--,mask::r--,other::---",
            "\0",
        ] {
            assert_eq!(check(bad), None, "{bad}");
        }
        assert_eq!(parse(b"\xff", true, &mut Names::default()), None);
    }
}
