//! Closed sets of words, each written once.
//!
//! A word such as `custom_dir` is read in the configuration, stored beside archives, said by the API
//! and offered on the page. [`words!`] makes the enum and its list of words from one text, so that
//! whoever reads, writes, offers or documents them asks the enum.

/// A closed set of words that are read into an enum. [`words!`] implements it.
pub trait Worded: Sized + Copy + 'static {
    /// All words of the set.
    const WORDS: &'static [&'static str];

    /// Which one a word means; `None` for a word that is not of the set.
    fn from_word(word: &str) -> Option<Self>;
}

/// An enum with its words: `ALL`, `WORDS`, `word` and `from_word`.
///
/// ```ignore
/// words! {
///     /// How copies travel to a peer.
///     #[derive(Debug, Clone, Copy)]
///     pub enum Via {
///         /// HTTPS in chunks.
///         Http = "http",
///     }
/// }
/// ```
///
/// With `impl`, the words of an enum whose variants carry something: `WORDS` and `word` only, since
/// no word says what a variant carries.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $visible:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $visible enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All of them, in the order in which they are written.
            $visible const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];
            /// Their words, in the order of `ALL`.
            $visible const WORDS: [&'static str; [$($word),+].len()] = [$($word),+];

            /// Its word.
            #[must_use]
            $visible const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Which one a word means; `None` for a word that is not of the set.
            #[must_use]
            $visible fn from_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.word() == word)
            }
        }

        impl $crate::model::words::Worded for $name {
            const WORDS: &'static [&'static str] = &Self::WORDS;

            fn from_word(word: &str) -> Option<Self> {
                Self::from_word(word)
            }
        }
    };
    (
        impl $name:ident {
            $($variant:ident = $word:literal),+ $(,)?
        }
    ) => {
        impl $name {
            /// All words, in the order in which they are written.
            pub const WORDS: [&'static str; [$($word),+].len()] = [$($word),+];

            /// The word for its kind.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::LocationState;

    words! {
        /// Colours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        enum Colour {
            /// As the sky.
            #[default]
            Blue = "blue",
            /// As nothing else.
            DarkRed = "dark-red",
        }
    }

    #[test]
    fn each_word_means_the_one_that_says_it_and_no_other_word_means_any() {
        assert_eq!(Colour::ALL.map(Colour::word), Colour::WORDS);
        for colour in Colour::ALL {
            assert_eq!(Colour::from_word(colour.word()), Some(colour));
        }
        for unknown in ["", "Blue", "blue ", "dark red", "green"] {
            assert_eq!(Colour::from_word(unknown), None, "{unknown:?}");
        }
        assert_eq!(Colour::default().word(), "blue");
        assert_eq!(<Colour as Worded>::WORDS, ["blue", "dark-red"]);
    }

    #[test]
    fn what_a_variant_carries_does_not_change_its_word() {
        let states = [
            LocationState::Available { free: 1, total: 2 },
            LocationState::Unavailable("no such directory".to_owned()),
            LocationState::Suspect("I/O error".to_owned()),
        ];
        assert_eq!(states.each_ref().map(LocationState::word), LocationState::WORDS);
    }
}
