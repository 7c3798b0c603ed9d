//! Reads the paths that a Rust source names: `use` trees and paths in code, made absolute where they begin
//! with `crate`, `self` or `super`. Knows tokens, not grammar: comments, texts and test modules are skipped.

/// A piece of source that matters here, with its line (from 1).
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    PathSeparator,
    Other(char),
}

/// The paths in the source with their lines; `module` is where the file is in its crate.
pub fn paths_of(source: &str, module: &[String]) -> Vec<(usize, String)> {
    let tokens = without_tests(tokens_of(source));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            (line, Token::Word(word)) if word == "use" => {
                let end =
                    (at..tokens.len()).find(|i| tokens[*i].1 == Token::Other(';')).unwrap_or(tokens.len());
                let mut tree = &tokens[at + 1..end];
                let mut paths = Vec::new();
                use_tree(&mut tree, &[], &mut paths);
                found.extend(paths.into_iter().map(|path| (*line, absolute(path, module))));
                at = end;
            }
            (line, Token::Word(_)) => {
                let line = *line;
                let (path, next) = inline_path(&tokens, at);
                // A lone word is a name or a value, `self` among them; only keywords say something.
                if path.len() > 1 || matches!(path[0].as_str(), "async" | "await") {
                    found.push((line, absolute(path, module)));
                }
                at = next;
            }
            _ => at += 1,
        }
    }
    found
}

/// Reads `a::b::{c, d::*}` and pushes each full path; a renamed leaf keeps its own name.
fn use_tree(tokens: &mut &[(usize, Token)], prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    let mut renamed = false;
    while let Some(((_, token), rest)) = tokens.split_first() {
        match token {
            Token::Word(word) if word == "as" => renamed = true,
            Token::Word(_) if renamed => {}
            Token::Word(word) => path.push(word.clone()),
            Token::PathSeparator => {}
            Token::Other('*') => path.push("*".to_owned()),
            Token::Other('{') => {
                *tokens = rest;
                loop {
                    use_tree(tokens, &path, paths);
                    match tokens.split_first() {
                        Some(((_, Token::Other(',')), rest)) => *tokens = rest,
                        Some((_, rest)) => {
                            *tokens = rest;
                            return;
                        }
                        None => return,
                    }
                }
            }
            _ => break,
        }
        *tokens = rest;
    }
    if path.len() > prefix.len() {
        paths.push(path);
    }
}

/// The longest `a::b::c` from `at`, and where to go on.
fn inline_path(tokens: &[(usize, Token)], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        path.push(word.clone());
        at += 1;
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some((_, Token::PathSeparator)), Some((_, Token::Word(_)))) => at += 1,
            _ => break,
        }
    }
    (path, at)
}

/// `self` and `super` become what they stand for, a leaf `self` its parent.
fn absolute(path: Vec<String>, module: &[String]) -> String {
    let mut from = Vec::new();
    let mut words = path.into_iter().peekable();
    if let Some("self" | "super") = words.peek().map(String::as_str) {
        from.push("crate".to_owned());
        from.extend(module.iter().cloned());
        while let Some(word) = words.next_if(|w| w == "super" || w == "self") {
            if word == "super" {
                from.pop();
            }
        }
    }
    from.extend(words);
    if from.len() > 1 && from.last().is_some_and(|w| w == "self") {
        from.pop();
    }
    from.join("::")
}

/// Drops what follows `#[cfg(test)]`: the item's attributes, up to `;` or the end of its braces.
fn without_tests(tokens: Vec<(usize, Token)>) -> Vec<(usize, Token)> {
    let mark = [
        Token::Other('#'),
        Token::Other('['),
        word("cfg"),
        Token::Other('('),
        word("test"),
        Token::Other(')'),
    ];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(|(_, t)| t).take(mark.len()).eq(mark.iter()) {
            at = end_of_item(&tokens, at + mark.len() + 1);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn end_of_item(tokens: &[(usize, Token)], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some((_, token)) = tokens.get(at) {
        at += 1;
        match token {
            Token::Other('{') => depth += 1,
            Token::Other('}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            Token::Other(';') if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

fn word(text: &str) -> Token {
    Token::Word(text.to_owned())
}

fn tokens_of(source: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => at = find(&chars, at, '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => at = end_of_comment(&chars, at),
            '"' => at = end_of_text(&chars, at + 1),
            'r' if raw_hashes(&chars, at).is_some() => at = end_of_raw(&chars, at),
            '\'' => at = end_of_quote(&chars, at),
            ':' if chars.get(at + 1) == Some(&':') => {
                tokens.push((line, Token::PathSeparator));
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                tokens.push((line, Token::Word(chars[start..at].iter().collect())));
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((line, Token::Other(c)));
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    (from..chars.len()).find(|i| chars[*i] == wanted).unwrap_or(chars.len())
}

fn end_of_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0usize);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => {
                depth += 1;
                at += 2;
            }
            ('*', '/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn end_of_text(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number of hashes of a raw text that begins here, if one does.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let inside_a_word =
        at > 0 && (chars[at - 1].is_alphanumeric() && chars[at - 1] != 'b' || chars[at - 1] == '_');
    (chars.get(at + 1 + hashes) == Some(&'"') && !inside_a_word).then_some(hashes)
}

fn end_of_raw(chars: &[char], at: usize) -> usize {
    let hashes = raw_hashes(chars, at).unwrap_or_default();
    let mut end = at + 2 + hashes;
    while end < chars.len() {
        if chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
        {
            return end + 1 + hashes;
        }
        end += 1;
    }
    chars.len()
}

/// A character literal ends at its quote; a lifetime is left to the word that follows.
fn end_of_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => find(chars, at + 3, '\'') + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}
