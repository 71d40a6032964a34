"""Generated models: the same SQL as a bundle of FlowForge and as a project of SQLMesh."""

import pathlib
import shutil

KINDS = ["BIGINT", "DOUBLE", "VARCHAR", "DECIMAL(18,2)"]
COLUMNS = 20
# How many models make a flow of a bundle.
FLOW = 100


def kind(column):
    """c1 … c19 are of the four types in turn."""
    return KINDS[int(column[1:]) % 4]


class Models:
    """`count` tables of 20 columns in flows of a hundred: a fifth are bronze and made of nothing, two fifths silver and joined
    of two tables of their flow, two fifths gold and aggregated of two silver ones. All but a column or two of a table are
    made of those of its inputs, so a column's lineage is three to six tables deep."""

    def __init__(self, count):
        self.count = count
        # Columns that a table lacks, those that have another type, and those that it has besides, by the table's number.
        self.removed, self.retyped, self.added, self.filtered = {}, {}, {}, {}

    def name(self, number):
        place = number % FLOW
        layer = "bronze" if place < FLOW // 5 else "silver" if place < 3 * FLOW // 5 else "gold"
        return f"{layer}.t{number}"

    def inputs(self, number):
        first, place = number - number % FLOW, number % FLOW
        if place < FLOW // 5:
            return []
        if place < 3 * FLOW // 5:
            # One of bronze, and one of bronze or of the silver ones before it.
            return [first + place % (FLOW // 5), first + (place * 7) % min(place, 2 * FLOW // 5)]
        return [first + FLOW // 5 + place % (2 * FLOW // 5), first + FLOW // 5 + (place * 7 + 3) % (2 * FLOW // 5)]

    def columns(self, number):
        every = [f"c{i}" for i in range(1, COLUMNS)]
        return [c for c in every if c not in self.removed.get(number, ())] + self.added.get(number, [])

    def query(self, number):
        """As text; a column that an input lacks is made of the other, or is null where both do."""
        inputs = self.inputs(number)
        isGold = self.name(number).startswith("gold")
        parts = ["r.i AS id" if not inputs else "a.id AS id"]
        for column in self.columns(number):
            if not inputs:
                value = f"r.i * {int(column[1:])} % 1000"
            else:
                there = [f"{alias}.{column}" for alias, of in zip("ab", inputs) if column in self.columns(of)]
                value = self.combined(column, there, isGold)
            wanted = self.retyped.get(number, {}).get(column, kind(column))
            parts.append(f"CAST({value} AS {wanted}) AS {column}")
        if not inputs:
            source = "FROM range(100) AS r(i)"
        else:
            a, b = (self.name(of) for of in inputs)
            source = f"FROM {a} AS a\nJOIN {b} AS b ON a.id = b.id\nWHERE a.id < {self.filtered.get(number, 90)}"
            if isGold:
                source += "\nGROUP BY a.id"
        return "SELECT\n  " + ",\n  ".join(parts) + f"\n{source}\n"

    def combined(self, column, there, isGold):
        if not there:
            return "NULL"
        if isGold:
            return f"max({there[0]})"
        if len(there) == 2 and kind(column) in ("BIGINT", "DOUBLE"):
            return f"{there[0]} + {there[1]}"
        return there[int(column[1:]) % len(there)]

    def change_some(self):
        """A second version: of every hundred tables two lose a column that others read, one gives one another type, three
        get one, and two have another filter. Readers of a lost column are changed to do without."""
        for first in range(0, self.count, FLOW):
            self.removed[first + 25] = self.removed[first + 70] = ["c19"]
            self.retyped[first + 3] = {"c2": "BIGINT"}
            for place in (65, 66, 67):
                self.added[first + place] = ["c20"]
            self.filtered[first + 30] = self.filtered[first + 80] = 80
        return self

    def change_all(self):
        for number in range(self.count):
            self.filtered[number] = 85
        return self

    def remove_one(self, round=0):
        """A column of one silver table, another one each time; its readers do without."""
        self.removed[25] = [f"c{COLUMNS - 1 - round}"]
        return self

    def flows(self):
        return [f"f{first // FLOW}" for first in range(0, self.count, FLOW)]

    def bundle(self, folder, version):
        """Of FlowForge, without its lock."""
        folder = pathlib.Path(folder)
        (folder / "sql").mkdir(parents=True, exist_ok=True)
        lines = [f"bundle: {{name: bench-models, version: {version}}}", "flows:"]
        for number in range(self.count):
            if number % FLOW == 0:
                lines += [f"  f{number // FLOW}:", "    tasks:"]
            name = self.name(number)
            inputs = ", ".join(dict.fromkeys(self.name(of) for of in self.inputs(number)))
            lines += [
                f"      t{number}:", f"        layer: {name.split('.')[0]}", f"        sql: sql/t{number}.sql",
                *([f"        inputs: [{inputs}]"] if inputs else []), f"        output: {name}"]
            (folder / f"sql/t{number}.sql").write_text(self.query(number))
        (folder / "flowforge.yaml").write_text("\n".join(lines) + "\n")
        return folder

    def sqlmesh(self, folder):
        """A project with a DuckDB file; the models are full tables, as `load: replace` makes them."""
        folder = pathlib.Path(folder)
        shutil.rmtree(folder / "models", ignore_errors=True)
        (folder / "models").mkdir(parents=True)
        (folder / "config.yaml").write_text(
            f"gateways:\n  local:\n    connection: {{type: duckdb, database: {folder}/lake.duckdb}}\n"
            f"    state_connection: {{type: duckdb, database: {folder}/state.duckdb}}\n"
            "default_gateway: local\ndisable_anonymized_analytics: true\n"
            "model_defaults: {dialect: duckdb, start: 2026-01-01}\n")
        for number in range(self.count):
            (folder / f"models/t{number}.sql").write_text(
                f"MODEL (name {self.name(number)}, kind FULL);\n\n{self.query(number).rstrip()};\n")
        return folder
