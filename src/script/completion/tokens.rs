//! What stands before the cursor, in Rhai's own tokens.

use std::cell::Cell;

use rhai::{Engine, LexError, Position, Token};

use super::shape::{Shape, Variable};

/// The text before the cursor, taken apart.
pub(super) struct Tokens<'a> {
    tokens: Vec<Token>,
    variables: &'a [Variable],
    /// How many expressions may still be looked at: nobody types more, and the stack has an end.
    patience: Cell<u32>,
}

const PATIENCE: u32 = 200;

/// Where the cursor is.
pub(super) enum Cursor {
    /// At the end of this word, which may be empty.
    Word(String),
    /// In a text between `"`, that far into it.
    Text(String),
    /// In a comment, or anywhere else where nothing can be said.
    Elsewhere,
}

/// Stands for the rest of the word at the cursor, so that there is always a word.
const REST: &str = "rest_of_word";

impl<'a> Tokens<'a> {
    /// Takes a text apart, and says where in it the cursor is that stands at its end.
    pub(super) fn read(engine: &Engine, before: &str, variables: &'a [Variable]) -> (Self, Cursor) {
        let marked = [before, REST].concat();
        let lines = [&marked];
        let (lexer, control) = engine.lex(lines);
        let mut tokens = Vec::new();
        let mut cursor = Cursor::Elsewhere;
        // Braces that are open: those of `${` in a text lead back into it.
        let mut braces = Vec::new();
        let mut in_text = false;
        for (token, place) in lexer {
            match &token {
                Token::EOF => break,
                Token::InterpolatedString(_) => in_text = true,
                Token::LeftBrace | Token::MapStart => braces.push(std::mem::take(&mut in_text)),
                Token::RightBrace => control.borrow_mut().is_within_text = braces.pop().unwrap_or(false),
                Token::Identifier(word) => {
                    if let Some(word) = word.strip_suffix(REST) {
                        cursor = Cursor::Word(word.to_owned());
                        break;
                    }
                }
                Token::LexError(error) => {
                    if **error == LexError::UnterminatedString
                        && let Some(text) = from(before, place).and_then(|text| text.strip_prefix('"'))
                    {
                        cursor = Cursor::Text(text.to_owned());
                    }
                    break;
                }
                // Brackets that follow each other come as one.
                Token::Unit => {
                    tokens.extend([Token::LeftParen, Token::RightParen]);
                    continue;
                }
                _ => {}
            }
            tokens.push(token);
        }
        (Self { tokens, variables, patience: Cell::new(PATIENCE) }, cursor)
    }

    /// If the word at the cursor stands behind a dot: what stands before it, as far as it is known.
    pub(super) fn receiver(&self) -> Option<Option<Shape>> {
        self.before_dot(self.tokens.len()).map(|end| self.shape(end))
    }

    /// The function whose arguments the cursor is in, and what it is called on.
    pub(super) fn call(&self) -> Option<(&str, Option<Shape>)> {
        self.call_around(self.tokens.len())
    }

    /// The names that the text itself declares: variables and the parameters of closures.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let declared = |before: &Token| matches!(before, Token::Let | Token::Const | Token::For | Token::Pipe);
        let pairs = self.tokens.iter().zip(self.tokens.iter().skip(1));
        pairs.filter(move |(before, _)| declared(before)).filter_map(|(_, token)| identifier(token))
    }

    /// Where what stands before the dot ends, if there is a dot before `place`.
    fn before_dot(&self, place: usize) -> Option<usize> {
        let dot = place.checked_sub(1)?;
        matches!(self.tokens.get(dot)?, Token::Period | Token::Elvis).then_some(dot)
    }

    /// What the expression is that ends before `end`.
    fn shape(&self, end: usize) -> Option<Shape> {
        let last = end.checked_sub(1)?;
        self.patience.set(self.patience.get().checked_sub(1)?);
        match self.tokens.get(last)? {
            Token::Identifier(name) => match self.before_dot(last) {
                Some(end) => Some(self.shape(end)?.of_field(name)),
                None => self.parameter(name, last).or_else(|| self.variable(name)),
            },
            Token::RightParen => {
                let open = self.around(last)?;
                match self.callee(open) {
                    Some((name, Some(end))) => self.shape(end)?.of_verb(name),
                    Some((name, None)) => Shape::of_call(name),
                    // Brackets around an expression.
                    None => self.shape(last),
                }
            }
            Token::RightBracket => match self.shape(self.around(last)?) {
                Some(rows @ Shape::Rows(_)) => Some(rows.row()),
                Some(_) => Some(Shape::Other),
                // An array that is written out.
                None => Some(Shape::Rows(None)),
            },
            Token::StringConstant(_) | Token::IntegerConstant(_) | Token::FloatConstant(_) => Some(Shape::Other),
            _ => None,
        }
    }

    fn variable(&self, name: &str) -> Option<Shape> {
        self.variables.iter().find(|variable| variable.name == name).map(|variable| variable.shape.clone())
    }

    /// What a closure or a loop is given, if `name` is declared by one before `place`: a row of what the verb is called
    /// on, or of what the loop goes through.
    fn parameter(&self, name: &str, place: usize) -> Option<Shape> {
        let declared = (0..place).rev().filter(|&i| identifier(&self.tokens[i]) == Some(name));
        declared.into_iter().find_map(|i| self.closure_parameter(i).or_else(|| self.loop_variable(i)))
    }

    /// What the closure is given that has a parameter at `place`. The row is the last one; before it stands the sum of
    /// `reduce`.
    fn closure_parameter(&self, place: usize) -> Option<Shape> {
        let parameters = self.tokens[..place].iter().rev();
        let before = parameters.take_while(|token| matches!(token, Token::Identifier(_) | Token::Comma)).count();
        let head = place.checked_sub(before + 1)?;
        let is_closure = matches!(self.tokens[head], Token::Pipe)
            && head.checked_sub(1).is_none_or(|i| identifier(&self.tokens[i]).is_none());
        match self.tokens.get(place + 1)? {
            Token::Pipe if is_closure => {
                let (_, receiver) = self.call_around(head)?;
                Some(receiver.map_or(Shape::Record(None), Shape::row))
            }
            Token::Comma if is_closure => Some(Shape::Other),
            _ => None,
        }
    }

    /// What the loop goes through that declares a variable at `place`: `for row in flows() {`.
    fn loop_variable(&self, place: usize) -> Option<Shape> {
        let declares = matches!(self.tokens.get(place.checked_sub(1)?)?, Token::For)
            && matches!(self.tokens.get(place + 1)?, Token::In);
        let body = self.tokens.iter().skip(place).position(|token| matches!(token, Token::LeftBrace))?;
        declares.then(|| self.shape(place + body).map_or(Shape::Record(None), Shape::row))
    }

    /// The function in whose brackets `place` is, and what it is called on.
    fn call_around(&self, place: usize) -> Option<(&str, Option<Shape>)> {
        let mut place = place;
        loop {
            place = self.around(place)?;
            if let Some((name, receiver)) = self.callee(place) {
                return Some((name, receiver.and_then(|end| self.shape(end))));
            }
        }
    }

    /// The name before the bracket at `open`, and where what it is called on ends.
    fn callee(&self, open: usize) -> Option<(&str, Option<usize>)> {
        let place = open.checked_sub(1)?;
        if !matches!(self.tokens.get(open)?, Token::LeftParen) {
            return None;
        }
        identifier(&self.tokens[place]).map(|name| (name, self.before_dot(place)))
    }

    /// The innermost bracket that is open before `place`; before a closing bracket, the one that it closes.
    fn around(&self, place: usize) -> Option<usize> {
        let mut closed = 0_usize;
        for i in (0..place).rev() {
            match self.tokens[i] {
                Token::RightParen | Token::RightBracket | Token::RightBrace => closed += 1,
                Token::LeftParen | Token::LeftBracket | Token::QuestionBracket | Token::LeftBrace | Token::MapStart => {
                    match closed.checked_sub(1) {
                        Some(rest) => closed = rest,
                        None => return Some(i),
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn identifier(token: &Token) -> Option<&str> {
    match token {
        Token::Identifier(name) => Some(name.as_str()),
        _ => None,
    }
}

/// The text from a place on.
fn from(text: &str, place: Position) -> Option<&str> {
    let line = text.split_inclusive('\n').take(place.line()? - 1).map(str::len).sum::<usize>();
    let text = text.get(line..)?;
    let column = text.char_indices().nth(place.position()? - 1)?.0;
    text.get(column..)
}
