//! Lints over shaders that no driver makes: naga accepts a barrier that only
//! some invocations reach, and browsers do not.
//!
//! Uniformity follows the WGSL specification (section 15.2), with one
//! simplification on the strict side: a local variable that holds a
//! non-uniform value anywhere counts as non-uniform everywhere.

use naga::{AddressSpace, Block, BuiltIn, Expression, Function, Handle, Module, Span, Statement};
use std::collections::{BTreeSet, HashMap};

/// Barriers of an entry point that not every invocation reaches, and returns
/// in front of a barrier. Empty when all is well.
pub fn barriers(module: &Module, text: &str, entry: &str) -> Vec<String> {
    let point = module.entry_points.iter().find(|e| e.name == entry).expect("the entry point exists");
    let arguments = point.function.arguments.iter().map(|a| !is_uniform(a.binding.as_ref())).collect();
    let mut errors = BTreeSet::new();
    Walk::new(module, text, &point.function, arguments).run(false, &mut errors);
    errors.into_iter().map(|(line, message)| format!("line {line}, {entry}: {message}")).collect()
}

/// Whether a function contains a barrier, itself or in what it calls.
pub fn has_barrier(module: &Module, f: &Function) -> bool {
    fn block(module: &Module, b: &Block) -> bool {
        b.iter().any(|s| match s {
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => true,
            Statement::Call { function, .. } => has_barrier(module, &module.functions[*function]),
            Statement::Block(b) => block(module, b),
            Statement::If { accept, reject, .. } => block(module, accept) || block(module, reject),
            Statement::Switch { cases, .. } => cases.iter().any(|c| block(module, &c.body)),
            Statement::Loop { body, continuing, .. } => block(module, body) || block(module, continuing),
            _ => false,
        })
    }
    block(module, &f.body)
}

/// The same for all invocations of a workgroup.
fn is_uniform(binding: Option<&naga::Binding>) -> bool {
    matches!(binding, Some(naga::Binding::BuiltIn(BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups)))
}

/// Jumps taken by some invocations only.
#[derive(Clone, Copy, Default)]
struct Jumps {
    /// `return`.
    out: bool,
    /// `break` or `continue`.
    around: bool,
}

impl Jumps {
    fn any(self) -> bool {
        self.out || self.around
    }

    fn join(&mut self, other: Jumps) {
        self.out |= other.out;
        self.around |= other.around;
    }
}

type Errors = BTreeSet<(u32, String)>;

/// One function, called with arguments of known uniformity.
struct Walk<'a> {
    module: &'a Module,
    text: &'a str,
    f: &'a Function,
    /// Which arguments differ between invocations.
    arguments: Vec<bool>,
    /// Which local variables may differ between invocations.
    locals: HashMap<Handle<naga::LocalVariable>, bool>,
    /// Which calls' results differ.
    results: HashMap<Handle<Expression>, bool>,
    /// Whether the returned value differs.
    returns: bool,
    /// The line of the last `return` met.
    returned: Option<u32>,
}

impl<'a> Walk<'a> {
    fn new(module: &'a Module, text: &'a str, f: &'a Function, arguments: Vec<bool>) -> Walk<'a> {
        let (locals, results) = Default::default();
        Walk { module, text, f, arguments, locals, results, returns: false, returned: None }
    }

    /// Walks until the locals settle; true if the result differs between
    /// invocations. `apart`: only some invocations call this function.
    fn run(mut self, apart: bool, errors: &mut Errors) -> bool {
        loop {
            let before = self.locals.clone();
            self.returned = None;
            self.block(&self.f.body, apart, errors);
            if self.locals == before {
                return self.returns;
            }
        }
    }

    fn line(&self, span: Span) -> u32 {
        span.location(self.text).line_number
    }

    /// `apart`: only some invocations come here.
    fn block(&mut self, block: &'a Block, mut apart: bool, errors: &mut Errors) -> Jumps {
        let mut jumps = Jumps::default();
        for (statement, span) in block.span_iter() {
            jumps.join(self.statement(statement, *span, apart, errors));
            apart |= jumps.any();
        }
        jumps
    }

    fn statement(&mut self, statement: &'a Statement, span: Span, apart: bool, errors: &mut Errors) -> Jumps {
        let mut jumps = Jumps::default();
        match statement {
            Statement::Block(b) => return self.block(b, apart, errors),
            Statement::If { condition, accept, reject } => {
                let apart = apart || self.differs(*condition);
                jumps = self.block(accept, apart, errors);
                jumps.join(self.block(reject, apart, errors));
            }
            Statement::Switch { selector, cases } => {
                let apart = apart || self.differs(*selector);
                for case in cases {
                    jumps.join(self.block(&case.body, apart, errors));
                }
            }
            Statement::Loop { body, continuing, break_if } => {
                jumps.out = self.walk_loop(body, continuing, *break_if, apart, errors);
            }
            Statement::Break | Statement::Continue => jumps.around = apart,
            Statement::Return { value } => {
                self.returns |= apart || value.is_some_and(|v| self.differs(v));
                self.returned = Some(self.line(span));
                jumps.out = apart;
            }
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => self.barrier(span, apart, errors),
            // Browsers want subgroup operations in uniform control flow as well.
            Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. }
                if apart =>
            {
                errors.insert((self.line(span), "a subgroup operation that only some invocations reach".into()));
            }
            Statement::Store { pointer, value } => {
                let differs = apart || self.differs(*value) || self.address_differs(*pointer);
                self.store(*pointer, differs);
            }
            Statement::Call { function, arguments, result } => {
                let callee = &self.module.functions[*function];
                if has_barrier(self.module, callee) {
                    self.barrier(span, apart, errors);
                }
                let given = arguments.iter().map(|a| self.differs(*a)).collect();
                let differs = Walk::new(self.module, self.text, callee, given).run(apart, errors);
                arguments.iter().for_each(|a| self.store(*a, true));
                if let Some(result) = result {
                    self.results.insert(*result, differs);
                }
            }
            _ => {}
        }
        jumps
    }

    /// Twice at least: what jumps late in the body is in front of what stands
    /// early in it. Invocations that left come together again after the loop,
    /// unless they returned.
    fn walk_loop(
        &mut self,
        body: &'a Block,
        continuing: &'a Block,
        break_if: Option<Handle<Expression>>,
        apart: bool,
        errors: &mut Errors,
    ) -> bool {
        let mut apart = apart;
        let mut jumps = Jumps::default();
        for _ in 0..3 {
            jumps.join(self.block(body, apart, errors));
            apart |= jumps.any();
            jumps.join(self.block(continuing, apart, errors));
            apart |= jumps.any() || break_if.is_some_and(|c| self.differs(c));
        }
        jumps.out
    }

    fn barrier(&self, span: Span, apart: bool, errors: &mut Errors) {
        let line = self.line(span);
        if apart {
            errors.insert((line, "a barrier that only some invocations reach".into()));
        }
        if let Some(returned) = self.returned {
            errors.insert((line, format!("a barrier after the return in line {returned}")));
        }
    }

    /// Notes what a local variable holds, if the pointer leads to one.
    fn store(&mut self, pointer: Handle<Expression>, differs: bool) {
        match self.f.expressions[pointer] {
            Expression::LocalVariable(v) => *self.locals.entry(v).or_default() |= differs,
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.store(base, differs),
            _ => {}
        }
    }

    /// Whether the indices on the way to an element differ.
    fn address_differs(&self, pointer: Handle<Expression>) -> bool {
        match self.f.expressions[pointer] {
            Expression::Access { base, index } => self.differs(index) || self.address_differs(base),
            Expression::AccessIndex { base, .. } => self.address_differs(base),
            _ => false,
        }
    }

    /// Whether what lies behind a pointer differs or may be changed meanwhile.
    fn memory_differs(&self, pointer: Handle<Expression>) -> bool {
        match self.f.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.memory_differs(base),
            Expression::LocalVariable(v) => self.locals.get(&v).copied().unwrap_or(false),
            Expression::GlobalVariable(g) => match self.module.global_variables[g].space {
                AddressSpace::Storage { access } => access.contains(naga::StorageAccess::STORE),
                AddressSpace::Uniform => false,
                _ => true,
            },
            _ => true,
        }
    }

    /// Whether an expression's value may differ between invocations.
    fn differs(&self, h: Handle<Expression>) -> bool {
        use Expression as E;
        match &self.f.expressions[h] {
            E::Literal(_) | E::Constant(_) | E::Override(_) | E::ZeroValue(_) | E::ArrayLength(_) => false,
            E::GlobalVariable(_) | E::LocalVariable(_) | E::WorkGroupUniformLoadResult { .. } => false,
            E::Compose { components, .. } => components.iter().any(|c| self.differs(*c)),
            E::Access { base, index } => self.differs(*base) || self.differs(*index),
            E::AccessIndex { base, .. } => self.differs(*base),
            E::Splat { value, .. } => self.differs(*value),
            E::Swizzle { vector, .. } => self.differs(*vector),
            E::FunctionArgument(i) => self.arguments[*i as usize],
            E::Load { pointer } => self.memory_differs(*pointer) || self.address_differs(*pointer),
            E::Unary { expr, .. } | E::As { expr, .. } => self.differs(*expr),
            E::Binary { left, right, .. } => self.differs(*left) || self.differs(*right),
            E::Select { condition, accept, reject } => [condition, accept, reject].iter().any(|e| self.differs(**e)),
            E::Relational { argument, .. } => self.differs(*argument),
            E::Math { arg, arg1, arg2, arg3, .. } => {
                self.differs(*arg) || [arg1, arg2, arg3].into_iter().flatten().any(|e| self.differs(*e))
            }
            E::CallResult(_) => self.results.get(&h).copied().unwrap_or(false),
            _ => true,
        }
    }
}

/// Comparisons of a value with itself, which a compiler that assumes no NaN
/// folds away.
pub fn self_comparisons(module: &Module, text: &str) -> Vec<String> {
    let helpers = module.functions.iter().map(|(_, f)| f);
    let mut found = vec![];
    for f in helpers.chain(module.entry_points.iter().map(|e| &e.function)) {
        for (h, e) in f.expressions.iter() {
            let Expression::Binary { op, left, right } = e else { continue };
            let compares = matches!(op, naga::BinaryOperator::Equal | naga::BinaryOperator::NotEqual);
            if compares && same(f, *left, *right) {
                let line = f.expressions.get_span(h).location(text).line_number;
                found.push(format!("line {line}: a value is compared with itself"));
            }
        }
    }
    found
}

fn same(f: &Function, a: Handle<Expression>, b: Handle<Expression>) -> bool {
    use Expression as E;
    if a == b {
        return true;
    }
    match (&f.expressions[a], &f.expressions[b]) {
        (E::Load { pointer: a }, E::Load { pointer: b }) => same(f, *a, *b),
        (E::Access { base: a, index: i }, E::Access { base: b, index: j }) => same(f, *a, *b) && same(f, *i, *j),
        (E::AccessIndex { base: a, index: i }, E::AccessIndex { base: b, index: j }) => i == j && same(f, *a, *b),
        (E::Literal(a), E::Literal(b)) => a == b,
        (E::GlobalVariable(a), E::GlobalVariable(b)) => a == b,
        (E::LocalVariable(a), E::LocalVariable(b)) => a == b,
        (E::FunctionArgument(a), E::FunctionArgument(b)) => a == b,
        (E::Constant(a), E::Constant(b)) => a == b,
        (E::Override(a), E::Override(b)) => a == b,
        _ => false,
    }
}

/// Overrides and constants that nothing in a kernel's text uses.
pub fn idle_constants(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let declared = words.windows(2).filter(|w| w[0] == "override" || w[0] == "const").map(|w| w[1]);
    declared.filter(|d| words.iter().filter(|w| w == &d).count() < 2).map(str::to_string).collect()
}

/// Variables that a loop encloses and that are declared without a value. WGSL makes
/// them zero on every turn; the compiler of browsers leaves what the turn before
/// left. naga's module no longer tells where a variable was declared.
pub fn stale_variables(text: &str) -> Vec<String> {
    let blanked = |line: &str| format!("{}\n", line.split("//").next().unwrap_or_default());
    let code: String = text.lines().map(blanked).collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = vec![];
    // Whether a loop encloses each open block; whether the next block is a loop's.
    let (mut blocks, mut opens_loop, mut brackets) = (vec![], false, 0);
    let mut rest = code.as_str();
    while let Some(c) = rest.chars().next() {
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        match (c, word) {
            ('{', _) => {
                blocks.push(opens_loop || blocks.last() == Some(&true));
                opens_loop = false;
            }
            ('}', _) => drop(blocks.pop()),
            ('(', _) => brackets += 1,
            (')', _) => brackets -= 1,
            // The header of a `for` has semicolons of its own.
            (';', _) if brackets == 0 => opens_loop = false,
            (_, "for" | "while" | "loop") => opens_loop = true,
            (_, "var") if blocks.last() == Some(&true) => {
                let declared = &rest[word.len()..];
                let end = declared.find([';', '=']).unwrap_or(declared.len());
                if !declared[end..].starts_with('=') {
                    let line = 1 + code[..code.len() - rest.len()].matches('\n').count();
                    found.push(format!("line {line}: \"var{};\" in a loop has no value", &declared[..end]));
                }
            }
            _ => {}
        }
        rest = &rest[word.len().max(c.len_utf8())..];
    }
    found
}
