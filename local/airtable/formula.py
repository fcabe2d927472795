"""Formulas: the subset of Airtable's language that queries here use, and a loud no to everything else.

A formula that is not understood must never match all records, or a test would pass for the wrong reason.
"""

import re
from collections.abc import Callable

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, VisitError

from local.airtable import functions
from local.airtable.schema import Field, FieldType
from local.airtable.values import ErrorValue, Evaluate, InvalidFormula, Node, Scope, compare, text, truth

_GRAMMAR = r"""
    ?formula: joined
        | formula COMPARISON joined -> compared
    ?joined: term
        | joined "&" term -> concatenated
    ?term: STRING -> string
        | NUMBER -> number
        | FIELD -> field
        | NAME "(" (formula ("," formula)*)? ")" -> call
        | "(" formula ")"
    COMPARISON: "!=" | "<=" | ">=" | "=" | "<" | ">"
    STRING: /'(\\.|[^'\\])*'/s | /"(\\.|[^"\\])*"/s
    FIELD: /\{(\\.|[^}\\])+\}/
    NUMBER: /-?\d+(\.\d+)?/
    NAME: /[A-Za-z_]+/
    %ignore /\s+/
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", start="formula")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}

FindField = Callable[[str], Field | None]


def compile_formula(formula: str, find_field: FindField) -> Evaluate:
    """How to compute the formula for a record; raises InvalidFormula with Airtable's words."""
    try:
        tree = _PARSER.parse(formula)
    except LarkError as error:
        raise InvalidFormula("Invalid formula. Please check your formula text.") from error
    reader = _Reader(find_field)
    try:
        node = reader.transform(tree)
    except VisitError as error:
        raise InvalidFormula(str(error.orig_exc)) from error
    if reader.unknown:
        # Lower-cased, as Airtable does it.
        raise InvalidFormula(f"Unknown field names: {', '.join(dict.fromkeys(reader.unknown)).lower()}")
    return node.evaluate


def holds(evaluate: Evaluate, scope: Scope) -> bool:
    """Whether the record is listed; an error in the formula's value leaves it out, as Airtable does."""
    try:
        return truth(evaluate(scope))
    except ErrorValue:
        return False


@v_args(inline=True)
class _Reader(Transformer[Token, Node]):
    """Turns the tree into functions, bottom up, and collects the fields that the table does not have."""

    def __init__(self, find_field: FindField) -> None:
        super().__init__()
        self._find_field = find_field
        self.unknown: list[str] = []

    def string(self, token: Token) -> Node:
        value = _unescaped(token[1:-1])
        return Node(lambda _scope: value, literal=value)

    def number(self, token: Token) -> Node:
        value = float(token) if "." in token else int(token)
        return Node(lambda _scope: value)

    def field(self, token: Token) -> Node:
        name = _unescaped(token[1:-1])
        found = self._find_field(name)
        if found is None:
            self.unknown.append(name)
            return Node(lambda _scope: None)
        return Node(lambda scope: scope.value(found), field=found)

    def call(self, name: Token, *arguments: Node) -> Node:
        return Node(functions.call(name, arguments), source=f"{name.upper()}()")

    def concatenated(self, left: Node, right: Node) -> Node:
        return Node(lambda scope: text(left.evaluate(scope)) + text(right.evaluate(scope)))

    def compared(self, left: Node, operator: Token, right: Node) -> Node:
        for one, other in ((left, right), (right, left)):
            # Airtable wants NOT({Checkbox}) here, as practitioners report.
            if one.field and one.field.type is FieldType.CHECKBOX and other.source == "FALSE()":
                raise InvalidFormula("Invalid formula. Please check your formula text.")
        return Node(lambda scope: compare(left.evaluate(scope), str(operator), right.evaluate(scope)))


def _unescaped(quoted: str) -> str:
    return _ESCAPED.sub(lambda match: _CONTROLS.get(match[1], match[1]), quoted)
