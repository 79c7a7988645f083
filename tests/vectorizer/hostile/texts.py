"""Contents that are odd rather than damaged: texts, ways to write base64, and what names a file or an address."""

from __future__ import annotations

import base64
import unicodedata

TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\t \r\n\x0b\x0c",
        "\u00a0\u2003\u200b",
        "\ufeff",
        "\ufeffein Hund",
        "a",
        ".",
        "0",
        "null",
        "NaN",
    ),
    *(
        "a" * 100_000,
        "ein Hund " * 11_111,
        "ä" * 100_000,
        "🐕" * 100_000,
        " " * 100_000,
        "\n" * 100_000,
        "\0" * 100_000,
    ),
    *("犬が浜辺にいる" * 5000, "e\u0301" * 50_000, "z" + "\u0335\u0321\u0489" * 1000, "((((" * 20_000, '"\\' * 20_000),
    *(
        "כלב על החוף",
        "كلب على الشاطئ",
        "\u202eesrever\u202c",
        "\u2066\u2067\u2068\u2069",
        "हिन्दी में कुत्ता",
        "กขฃคฅ",
        "ﷺ",
    ),
    *("👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👋🏽", "\U0001f3fb" * 50, "\u200d" * 1000, "\ufffd", "\ufffe\uffff", "\U0010ffff", "\ue000"),
    *(unicodedata.normalize(form, "Ängström ﬁ ㎏ Å ½ à la crème") for form in ("NFC", "NFD", "NFKC", "NFKD")),
    *(
        "".join(map(chr, range(32))),
        "\x7f\x80\x85\x9f",
        "a\0b",
        "\x1b[2J\x1b[31m",
        "\x08" * 100,
        "\r\nSet-Cookie: a=b\r\n",
    ),
    *("%s%n%x%d", "{}{0}{a.b}", "${jndi:ldap://127.0.0.1:9/a}", "{{7*7}}", "$(reboot)", "`id`", "'; DROP TABLE a; --"),
    *(
        "<script>alert(1)</script>",
        "<!ENTITY a SYSTEM 'file:///etc/passwd'>",
        "[CLS] [SEP] [MASK] [UNK] [PAD]",
        "<s></s><pad>",
    ),
    *("I" * 300 + "i\u0307", "\u1e9eß\u017f\u212a", "ǆǅǄ", "\u1e9e" * 5000, "\u0130" * 5000, "\ufdfa" * 5000),
)
ADDRESSES = (
    *("file:///etc/passwd", "FILE:///etc/passwd", "file:/etc/passwd", "/etc/hostname", "/etc/passwd", "//etc/passwd"),
    *("../x", "../../../../etc/passwd", "./a.png", "~/.ssh/id_rsa", "/dev/zero", "/dev/stdin", "/proc/self/environ"),
    *(
        r"C:\Windows\win.ini",
        r"\\127.0.0.1\share\a.png",
        "a.png",
        "photos/dog.jpg",
        "/etc/passwd\0.png",
        ".",
        "..",
        "/",
    ),
    *(
        "http://127.0.0.1:9/",
        "https://127.0.0.1:9/a.png",
        "http://[::1]:9/",
        "http://169.254.169.254/latest/meta-data/",
    ),
    *(
        "ftp://127.0.0.1:9/a",
        "gopher://127.0.0.1:9/_a",
        "s3://bucket/a.png",
        "smb://127.0.0.1/a",
        "rtsp://127.0.0.1:9/",
    ),
    *(
        "concat:/etc/passwd",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "pipe:0",
        "fd:0",
        "tcp://127.0.0.1:9",
        "cache:http://127.0.0.1:9/",
    ),
    *(
        "//127.0.0.1:9/a.png",
        "data:image/png,/etc/passwd",
        "data:;base64,/etc/passwd",
        "data:text/uri-list;base64,aHR0cDovLzEyNy4wLjAuMTo5Lw==",
    ),
    *(
        "lavfi:testsrc",
        "/dev/video0",
        "%2fetc%2fpasswd",
        "|cat /etc/passwd",
        "javascript:alert(1)",
        "blob:http://127.0.0.1:9/a",
    ),
    *(base64.b64encode(text).decode() for text in (b"file:///etc/passwd", b"http://127.0.0.1:9/", b"/etc/passwd")),
)


def forgiven(content: str, mime: str) -> dict[str, str]:
    """Write base64 in ways that all mean the same.

    Args:
        content: Padded base64.
        mime: Media type of what it holds.

    Returns:
        The ways, named.
    """
    lines = [content[start : start + 76] for start in range(0, len(content), 76)]
    return {
        "as it is": content,
        "data prefix": f"data:{mime};base64,{content}",
        "data prefix, capitals": f"DATA:{mime.upper()};BASE64,{content}",
        "data prefix, other type": f"data:text/html;charset=utf-8;base64,{content}",
        "data prefix, no type": f"data:;base64,{content}",
        "white space before data prefix": f" \n data:{mime};base64, {content}",
        "lines": "\r\n".join(lines) + "\r\n",
        "spaces": " ".join(content),
        "white space around": " \t\n" * 50 + content + "\n" * 50,
        "URL-safe": content.replace("+", "-").replace("/", "_"),
        "no padding": content.rstrip("="),
        "more padding": content.rstrip("=") + "=" * 9,
    }


def refused(content: str) -> dict[str, str]:
    """Write base64 in ways of which none can be read."""
    middle = len(content) // 2
    return {
        "nothing": "",
        "white space": " \n" * 1000,
        "padding": "====",
        "data prefix alone": "data:image/png;base64,",
        "data prefix, not base64": f"data:image/png,{content}",
        "data prefix twice": f"data:image/png;base64,data:image/png;base64,{content}",
        "data prefix too long": f"data:{'a' * 5000};base64,{content}",
        "data prefix of commas": "data:," * 1000 + content,
        "padding in the middle": content[:middle] + "==" + content[middle:],
        "foreign letter": content[:middle] + "!" + content[middle:],
        "zero": content[:middle] + "\0" + content[middle:],
        "letters beyond ASCII": "ä" + content,
        "wide letters": content.translate({ord("A") + n: 0xFF21 + n for n in range(26)}),
        "one letter": "A",
        "base64 of base64": base64.b64encode(content.encode()).decode(),
        "hexadecimal": base64.b64decode(content).hex(),
        "percent signs": content.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D") + "%00",
        "in quotes": f'"{content}"',
        "in brackets": f"b'{content}'",
        "markup": f'<img src="data:image/png;base64,{content}">',
    }
