//! Engines of the dialect: one to read text with, one to run it on. Both are made from shared modules, so making one
//! costs about a microsecond. Decides nothing about calls; see the host.

use std::sync::atomic::{AtomicU8, Ordering};

use rhai::packages::{Package, StandardPackage};
use rhai::{Engine, Module, OptimizationLevel, Shared, Token};

use super::rewrite::NOT;

/// Functions that many engines share.
pub(crate) type SharedModule = Shared<Module>;

/// Between `&&` (60) and `==` (90): `not a == b and c` is `(not (a == b)) and c`.
const NOT_PRECEDENCE: u8 = 75;
/// Rhai's own limit of release builds, in debug builds too: a text must not parse in one and fail in the other.
const EXPRESSION_DEPTH: usize = 64;
/// Inside of functions.
const FUNCTION_DEPTH: usize = 32;

/// What bounds the values of a script. Together with the operations they bound the stack that dropping a value needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// 0 is unlimited.
    pub(crate) operations: u64,
    pub(crate) items: usize,
    pub(crate) text: usize,
    pub(crate) calls: usize,
    pub(crate) variables: usize,
}

impl Limits {
    pub(crate) fn apply(self, engine: &mut Engine) {
        engine.set_max_operations(self.operations);
        engine.set_max_array_size(self.items);
        engine.set_max_map_size(self.items);
        engine.set_max_string_size(self.text);
        engine.set_max_call_levels(self.calls);
        engine.set_max_variables(self.variables);
        engine.set_max_expr_depths(EXPRESSION_DEPTH, FUNCTION_DEPTH);
    }
}

/// Rhai's standard functions, made once.
pub(crate) fn standard() -> SharedModule {
    StandardPackage::new().as_shared_module()
}

/// An engine that runs what a [`parser`] read.
pub(crate) fn runtime(modules: &[SharedModule], limits: Limits) -> Engine {
    let mut engine = Engine::new_raw();
    for module in modules {
        engine.register_global_module(Shared::clone(module));
    }
    engine.on_invalid_array_index(|_, _, _| {
        // Read-only, so that an assignment past the end is an error instead of being lost.
        Ok(rhai::Dynamic::UNIT.into_read_only().into())
    });
    limits.apply(&mut engine);
    engine
}

/// An engine that reads our dialect. Used for one text only: it remembers the token before the present one.
pub(crate) fn parser(modules: &[SharedModule], limits: Limits) -> Engine {
    let mut engine = runtime(modules, limits);
    engine.set_optimization_level(OptimizationLevel::None);
    engine.disable_symbol("eval");
    engine.disable_symbol("import");
    engine.disable_symbol("export");
    engine.register_custom_operator(NOT, NOT_PRECEDENCE).expect("a reserved symbol may become an operator");
    let before = AtomicU8::new(Before::OTHER);
    #[expect(deprecated, reason = "Rhai marks its token hook as volatile by deprecating it; the version is pinned")]
    engine.on_parse_token(move |token, _, _| {
        let was_error = matches!(token, Token::LexError(_));
        let token = read(token, before.load(Ordering::Relaxed));
        let quoted = was_error && matches!(token, Token::StringConstant(_));
        before.store(if quoted { Before::TEXT } else { Before::of(&token) }, Ordering::Relaxed);
        token
    });
    engine
}

/// What stood before a token, as far as it matters.
struct Before;

impl Before {
    const OTHER: u8 = 0;
    const DOT: u8 = 1;
    const KEY: u8 = 2;
    const TEXT: u8 = 3;

    fn of(token: &Token) -> u8 {
        match token {
            Token::Period | Token::Elvis => Self::DOT,
            Token::MapStart | Token::Comma => Self::KEY,
            _ => Self::OTHER,
        }
    }
}

/// `'text'` is text, also one character; after a dot any word is a property; as a key any reserved word is one.
fn read(token: Token, before: u8) -> Token {
    match token {
        Token::CharConstant(one) => Token::StringConstant(Box::new(one.to_string().into())),
        Token::LexError(error) => match *error {
            rhai::LexError::MalformedChar(text) => Token::StringConstant(Box::new(text.into())),
            other => Token::LexError(Box::new(other)),
        },
        // Rhai's lexer takes our text for an error, after which it expects an operand.
        Token::UnaryPlus if before == Before::TEXT => Token::Plus,
        Token::UnaryMinus if before == Before::TEXT => Token::Minus,
        Token::Reserved(word) if (before == Before::DOT || before == Before::KEY) && is_word(&word) => Token::Identifier(word),
        other if before == Before::DOT && other.is_literal() && is_word(other.literal_syntax()) => {
            Token::Identifier(Box::new(other.literal_syntax().into()))
        }
        other => other,
    }
}

fn is_word(text: &str) -> bool {
    // Rhai gives the functions behind these words their own meaning.
    let special = ["Fn", "call", "curry", "is_shared", "is_def_var", "is_def_fn", "type_of", "print", "debug", "eval"];
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !special.contains(&text)
}
