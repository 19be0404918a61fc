"""Values and texts that readers of others have stumbled over."""

__all__ = ["BYTES", "JSON", "NUMBERS", "WHOLE", "WORDS", "XML", "XML_HEADS", "YAML", "YAML_BOMB"]

NUMBERS = (
    0, -0.0, 1, -1, 2, 0.5, 1.0, 3.0, 1e-9, -1e-9, 1e-300, 1e-308, 5e-324, 1e5, 1e6, 10**6, 1e9, 10**9, 10**10, 1e15,
    2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 1e30, 10**30, 1e300, -1e300, 1e308, 10**400, -(10**400), 90, 180,
    360, 1e4, -1e4, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
WORDS = (
    "", " ", "a", "nan", "inf", "-1", "1e400", "0x10", "1_000", "true", "null", "None", "~", "..", "/", ".",
    "/dev/zero", "/etc/passwd", "ego", "x" * 300, "y" * 10_000, "\0", "a\0b", "\x1b[2J\x1b[31m", "line\nline", "\r",
    "\u202eabc", "\ufeff", "\ud800", "日本語", "é" * 200, "%s%n{0}", "${HOME}", "'", '"', "\\", "a,b", "a=b", "a:b",
    "://", "=", ",", "²", "١٢", "--", "-", "*", "file:///etc/passwd",
)  # fmt: skip

# --- in place of a few bytes, and of a whole file ---------------------------------------------------------------------

BYTES = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\xfe\xff", b"\x80", b"\x7f\xff\xff\xff", b"\r\n", b"nan", b"1e999",
    b"-", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b[2J",
)  # fmt: skip
WHOLE = (
    b"", b"\0", b"\0" * 4096, b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, b"\x93NUMPY",
    b"\x89PNG\r\n\x1a\n", b"GIF89a", b"[" * 100_000, b"{" * 100_000, b"<a>" * 50_000, b"- " * 50_000, b"\n" * 9999,
    b"9" * 100_000, b"null", b"0", b"[]", b"{}", b'""', b"\x80\x04.",
)  # fmt: skip

# --- source text that trees cannot hold -------------------------------------------------------------------------------

YAML = (
    ".nan", ".inf", "-.inf", "1e400", "2001-02-30", "2001-01-01", "2001-01-01 25:61:61", "!!int abc", "!!int 1:99:1",
    "!!float x", "!!binary x", "!!timestamp x", "!!set {a, b}", "!!omap [a: 1]", "!!python/object/apply:os.getpid []",
    "!x y", "&a [*a]", "&b {c: *b}", "*nowhere", "{<<: &m {a: 1}, <<: *m}", "{<<: 1}", "{? [a]: b}", "{? {a: b}: c}",
    "{1: 2, 1.5: 3, true: 4, null: 5}", "0o17", "0b", "1:30", "0x" + "f" * 500, "9" * 5000, "[" * 500 + "]" * 500,
    "[" * 50_000, "{a: " * 300 + "1" + "}" * 300, "[&x [1,1,1,1,1,1], &y [*x,*x,*x,*x,*x], &z [*y,*y,*y,*y], *z]",
    '"\\ud800"', '"\\x1b[2J"', "'\t'", "|\n", "yes", "\u0085", "? ", "- - -", "%",
)  # fmt: skip
#: Aliases that stand for 9^9 values.
YAML_BOMB = "[" + ", ".join(f"&b{k} [" + ", ".join([f"*b{k - 1}" if k else "1"] * 9) + "]" for k in range(9)) + "]"
JSON = (
    "NaN", "Infinity", "-Infinity", "1e400", "-0", "-0.0", "9" * 5000, "1" + "0" * 400, '"\\ud800"', '"\\u0000"',
    "[" * 900, "[" * 500 + "]" * 500, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, '{"a": 1, "a": 2}', "'x'", "",
    ",", "1.", "tru",
)  # fmt: skip
XML = ("&x;", "&#0;", "&#xD800;", "<![CDATA[", "<!--", "<a", "]]>", "<?x ?>", "<a>" * 300 + "</a>" * 300, "\x01")
XML_HEADS = (
    '<!DOCTYPE a [<!ENTITY x "' + "y" * 100 + '">' + "".join(f'<!ENTITY x{k} "{f"&x{k - 1 if k else str()};" * 10}">'
    for k in range(9)) + "]>",
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE a SYSTEM "http://localhost:9/x.dtd">',
    '<?xml version="1.0" encoding="utf-7"?>', '<?xml version="1.0" encoding="nowhere"?>', '<?xml version="9"?>',
    "\ufeff", "x",
)  # fmt: skip
