//! Wildcards: within a name, and between the names of a path.

/// A piece of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: any one byte.
    Any,
    /// `*`: any number of them.
    Star,
    /// `[…]`: one of these.
    Class(Class),
}

impl Token {
    /// Whether a whole name is what these tokens say.
    pub(super) fn fit(tokens: &[Token], name: &[u8]) -> bool {
        fits(
            tokens,
            name,
            |token| *token == Token::Star,
            |token, byte| match token {
                Token::Byte(wanted) => wanted == byte,
                Token::Any => true,
                Token::Star => false,
                Token::Class(class) => class.contains(*byte),
            },
        )
    }
}

/// A set of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Class(Box<[u64; 4]>);

impl Class {
    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn negated(mut self) -> Self {
        for bits in self.0.iter_mut() {
            *bits = !*bits;
        }
        self
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

/// Whether a row of pieces describes a whole row of things, where each piece stands for one thing
/// and a star for any number of them. It suffices to go back to the last star, since what is
/// between two stars may as well stand as early as it can: the time is bounded by the product of
/// the lengths.
pub(super) fn fits<P, T>(
    pieces: &[P],
    things: &[T],
    is_star: impl Fn(&P) -> bool,
    describes: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut piece, mut thing) = (0, 0);
    // Behind the last star, and how many things were left to it and what is before it.
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(found) = things.get(thing) {
        match pieces.get(piece) {
            Some(star) if is_star(star) => {
                piece += 1;
                last_star = Some((piece, thing));
            }
            Some(wanted) if describes(wanted, found) => {
                piece += 1;
                thing += 1;
            }
            Some(_) | None => {
                let Some((behind, taken)) = last_star else { return false };
                last_star = Some((behind, taken + 1));
                (piece, thing) = (behind, taken + 1);
            }
        }
    }
    pieces[piece..].iter().all(is_star)
}
