import FlowForgeProtocol
import Foundation

/// An asset as a page: what it is, its columns with their statistics, its checks, its history.
struct AssetPage {
    let asset: OperatorAPI.AssetView
    let style: Style
    let now: Date

    func render(width: Int?) -> String {
        var fields = Fields()
        fields.add("environment", asset.environment)
        fields.add("rows", Figures.count(asset.rows))
        fields.add("size", Figures.bytes(asset.bytes))
        fields.add(
            "version",
            "\(asset.snapshot.version)" + style.paint(" \(asset.snapshot.location)", .dim)
                + (asset.snapshot.home.map { " of environment \($0)" } ?? ""))
        fields.add("published", "\(Figures.relative(asset.publishedAt, to: now)) by \(asset.task) of \(asset.run)")
        var parts = [style.paint(asset.name.description, .bold, RunTree.ink(asset.name.layer)), fields.render(style)]
        if let schema = asset.schema, !schema.isEmpty { parts += ["", columns(schema, width)] }
        if let checks = asset.checks, !checks.isEmpty { parts += ["", checkTable(checks, width)] }
        if let history = asset.history, !history.isEmpty { parts += ["", historyTable(history, width)] }
        return parts.joined(separator: "\n")
    }

    private func columns(_ schema: [ColumnSchema], _ width: Int?) -> String {
        let statistics = Dictionary((asset.statistics ?? []).map { ($0.column, $0) }) { first, _ in first }
        var table = Table([
            .init("COLUMN", flexible: true), .init("TYPE", flexible: true), .init("NULLS", right: true),
            .init("DISTINCT", right: true), .init("RANGE", flexible: true), .init("TAGS", flexible: true),
        ])
        for column in schema {
            let figures = statistics[column.name]
            table.rows.append([
                column.name, column.type, figures.map { nulls($0) } ?? "",
                figures?.distinct.map { (style.unicode ? "≈" : "~") + Figures.count($0) } ?? "",
                figures.map { range($0) } ?? "", column.tags.joined(separator: ","),
            ])
        }
        return table.render(style, width: width)
    }

    private func nulls(_ figures: ColumnStatistics) -> String {
        guard figures.nulls > 0, figures.count > 0 else { return "0" }
        // A share that would round to none is still some.
        let share = min(100, Double(figures.nulls) / Double(figures.count) * 100)
        return "\(Figures.count(figures.nulls)) (\(share < 1 ? "<1" : "\(Int(share.rounded()))") %)"
    }

    private func range(_ figures: ColumnStatistics) -> String {
        let dots = style.unicode ? " … " : " .. "
        if let low = figures.minimum, let high = figures.maximum { return RunTree.text(low) + dots + RunTree.text(high) }
        if let low = figures.minimumLength, let high = figures.maximumLength {
            return low == high ? Figures.count(low, "character") : "\(low)\(dots)\(Figures.count(high, "character"))"
        }
        return ""
    }

    private func checkTable(_ checks: [CheckResult], _ width: Int?) -> String {
        var table = Table([
            .init("CHECK", flexible: true), .init("RESULT"), .init("ROWS", right: true), .init("MEASURED", flexible: true),
        ])
        for check in checks {
            let result =
                check.passed
                ? style.paint("\(style.tick) passed", .green)
                : check.severity == .warn
                    ? style.paint("\(style.warning) warned", .yellow) : style.paint("\(style.cross) failed", .red)
            table.rows.append([
                check.name, result, check.failingRows.map { Figures.count($0) } ?? "", Printable.line(check.message),
            ])
        }
        return table.render(style, width: width)
    }

    private func historyTable(_ history: [OperatorAPI.SnapshotView], _ width: Int?) -> String {
        var table = Table([
            .init("VERSION", right: true), .init("PUBLISHED"), .init("ROWS", right: true), .init("SIZE", right: true),
            .init("RUN", flexible: true), .init("SCHEMA"),
        ])
        for snapshot in history {
            table.rows.append([
                "\(snapshot.snapshot.version)", Figures.relative(snapshot.publishedAt, to: now), Figures.count(snapshot.rows),
                Figures.bytes(snapshot.bytes), "\(snapshot.run)", snapshot.schemaChanged ? style.paint("changed", .yellow) : "",
            ])
        }
        return table.render(style, width: width)
    }
}
