//! What an expression needs from outside: its free names and the dotted chains that start at one.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr};

use crate::dialect::offset;

/// Free names with the offset of their first use, and dotted paths, each once, in the order of the text.
pub(crate) fn names_and_paths(ast: &AST, text: &str) -> (Vec<(String, usize)>, Vec<String>) {
    let wanted = wanted(ast, text);
    let mut names: Vec<(String, usize)> = Vec::new();
    let mut paths: Vec<(usize, String)> = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(expr)) = path.last()
            && let Some((name, at)) = free(expr, text)
            && wanted.contains(&name)
        {
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, first)) => *first = at.min(*first),
                None => names.push((name.clone(), at)),
            }
            let chain = path.len().checked_sub(2).and_then(|parent| path.get(parent));
            let mut dotted = name;
            if let Some(ASTNode::Expr(Expr::Dot(parts, ..))) = chain
                && std::ptr::eq(&parts.lhs, *expr)
            {
                follow(&parts.rhs, &mut dotted);
            }
            paths.push((at, dotted));
        }
        true
    });
    names.sort_by_key(|(_, at)| *at);
    // What a closure captures is met twice: as the bare capture and as its use, at the same place. The use says more.
    paths.sort_by(|(a, one), (b, other)| a.cmp(b).then(other.len().cmp(&one.len())));
    paths.dedup_by_key(|(at, _)| *at);
    let mut unique: Vec<String> = Vec::new();
    for (_, path) in paths {
        if !unique.contains(&path) {
            unique.push(path);
        }
    }
    (names, unique)
}

/// The names that the text itself wants from outside. Inside of a closure what it captured looks free, whoever defined it; where it
/// is captured Rhai knows better.
fn wanted(ast: &AST, text: &str) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    ast.clone_statements_only().walk(&mut |path| {
        if let Some(ASTNode::Expr(expr)) = path.last() {
            wanted.extend(free(expr, text).map(|(name, _)| name));
        }
        true
    });
    wanted
}

fn free(expr: &Expr, text: &str) -> Option<(String, usize)> {
    match expr {
        Expr::Variable(variable, None, position) if variable.0.is_none() && variable.2.is_empty() => {
            Some((variable.1.to_string(), offset(text, *position)))
        }
        _ => None,
    }
}

/// Appends the properties of `a.b.c`, which Rhai keeps as `a.(b.(c))`.
fn follow(expr: &Expr, dotted: &mut String) {
    let mut push = |property: &Expr| {
        if let Expr::Property(name, ..) = property {
            dotted.push('.');
            dotted.push_str(&name.2);
            true
        } else {
            false
        }
    };
    match expr {
        Expr::Dot(parts, ..) => {
            if push(&parts.lhs) {
                follow(&parts.rhs, dotted);
            }
        }
        Expr::Index(parts, ..) => {
            push(&parts.lhs);
        }
        other => {
            push(other);
        }
    }
}
