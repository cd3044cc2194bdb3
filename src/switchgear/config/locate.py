"""Finds the line on which a key of a TOML text stands, which the standard library does not tell.

The text is known to be valid TOML when it comes here, so the scanner only has to find where statements and
array elements begin: between statements → header or key → value, which it skips while it counts strings,
comments and brackets.
"""

Path = tuple[str | int, ...]

_BRACKETS_OPEN, _BRACKETS_CLOSE = "[{", "]}"


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Line of a path, else of its nearest parent that has one; 1 when none has."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def key_text(path: Path) -> str:
    """``("channels", 1, "base_url")`` → ``channels[1].base_url``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def locate(text: str) -> dict[Path, int]:
    """Path of each table, key and array element → line from 1. Inline tables have the line of their key."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._array_tables: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            line = self._line
            if self._peek() == "[":
                table = self._header(line)
            else:
                path = table + tuple(self._dotted_key("="))
                for length in range(len(table) + 1, len(path) + 1):
                    self._lines.setdefault(path[:length], line)
                self._value(path)
        return self._lines

    def _header(self, line: int) -> Path:
        is_array = self._text.startswith("[[", self._at)
        self._step(2 if is_array else 1)
        names = self._dotted_key("]")
        self._step(1 if is_array else 0)
        path: Path = ()
        for name in names[:-1]:
            path = self._inside_latest((*path, name))
        path = (*path, names[-1])
        if is_array:
            index = self._array_tables.get(path, -1) + 1
            self._array_tables[path] = index
            self._lines.setdefault(path, line)
            path = (*path, index)
        self._lines.setdefault(path, line)
        return path

    def _inside_latest(self, path: Path) -> Path:
        """``[a.b]`` after ``[[a]]`` speaks of the latest element of ``a``."""
        return (*path, self._array_tables[path]) if path in self._array_tables else path

    def _dotted_key(self, end: str) -> list[str]:
        """Reads ``a."b.c".d`` up to and including ``end``."""
        parts, word = [], ""
        while (char := self._peek()) and char != end:
            if char in "\"'":
                start = self._at + 1
                self._string()
                word = self._text[start : self._at - 1]
            elif char == ".":
                parts.append(word)
                word = ""
                self._step()
            else:
                word += char.strip()
                self._step()
        self._step()
        return [*parts, word]

    def _value(self, path: Path) -> None:
        """Skips a value to the end of its statement; notes the lines of the elements of an array."""
        depth, index, expects_element = 0, 0, False
        is_array = self._text[self._at :].lstrip(" \t")[:1] == "["
        while char := self._peek():
            if char == "#":
                self._comment()
                continue
            if char == "\n" and depth == 0:
                return
            if expects_element and depth == 1 and not char.isspace() and char not in "],":
                self._lines[(*path, index)] = self._line
                expects_element = False
            if char in "\"'":
                self._string()
                continue
            if char in _BRACKETS_OPEN:
                depth += 1
                expects_element = expects_element or (depth == 1 and is_array)
            elif char in _BRACKETS_CLOSE:
                depth -= 1
            elif char == "," and depth == 1 and is_array:
                index, expects_element = index + 1, True
            self._step()

    def _string(self) -> None:
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._step(len(mark))
        while self._at < len(self._text) and not self._text.startswith(mark, self._at):
            self._step(2 if quote == '"' and self._peek() == "\\" else 1)
        self._step(len(mark))
        while len(mark) == 3 and self._peek() == quote:  # a string may end in quotes of its own: """a""""
            self._step()

    def _skip_blank(self) -> bool:
        while char := self._peek():
            if char == "#":
                self._comment()
            elif char.isspace() or char == "\ufeff":
                self._step()
            else:
                return True
        return False

    def _comment(self) -> None:
        while self._peek() not in ("", "\n"):
            self._step()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _step(self, count: int = 1) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count
