internal import FlowForgeDomain
internal import FlowForgeProtocol

extension ManifestRules {
    mutating func check(_ task: TaskSpec, of flow: String) {
        checkLayer(task, flow)
        checkInputs(task, flow)
        checkLoad(task, flow)
        checkPrograms(task, flow)
        if let source = task.source { check(source, task, flow) }
        for (index, check) in task.checks.enumerated() {
            self.check(check, task, at: .item(flow, task.name, "checks", index))
        }
    }

    private mutating func checkLayer(_ task: TaskSpec, _ flow: String) {
        guard let output = task.output, output.layer != task.layer else { return }
        report(
            "task '\(task.name)' is of layer \(task.layer.rawValue), but writes \(output)",
            hint: "change 'layer' or 'output'", at: .part(flow, task.name, "output"))
    }

    private mutating func checkInputs(_ task: TaskSpec, _ flow: String) {
        if task.source != nil, !task.inputs.isEmpty {
            report(
                "task '\(task.name)' has 'source' and 'inputs'", hint: "an ingest reads files only; remove 'inputs'",
                at: .part(flow, task.name, "inputs"))
        }
        for (index, input) in task.inputs.enumerated() where !outputs.contains(input) && !manifest.external.contains(input) {
            let nearest = self.nearest(input.description, among: outputs.lazy.map(\.description))
            report(
                "no task of this bundle writes \(input)",
                hint: nearest.map { "did you mean '\($0)'?" } ?? "if another bundle writes it, list it under 'external'",
                at: .item(flow, task.name, "inputs", index))
        }
    }

    private mutating func checkLoad(_ task: TaskSpec, _ flow: String) {
        let load = task.load
        let mode = load.mode.rawValue
        func place(_ key: String) -> ManifestReader.Place { .part(flow, task.name, key) }
        switch load.mode {
        case .merge, .scd2:
            if load.keys.isEmpty {
                report(
                    "'load: \(mode)' needs 'keys'", hint: "name the columns that identify a row, e.g. keys: [id]",
                    at: place("load"))
            }
            if !load.partitionBy.isEmpty {
                report("'load: \(mode)' cannot have 'partition_by'", hint: "remove it", at: place("partition_by"))
            }
        case .append, .replace, .partitionOverwrite, .unknown:
            if !load.keys.isEmpty {
                report("'keys' mean nothing to 'load: \(mode)'", hint: "remove them, or load by merge or scd2", at: place("keys"))
            }
            if load.mode == .partitionOverwrite, load.partitionBy.isEmpty {
                report(
                    "'load: partition-overwrite' needs 'partition_by'",
                    hint: "name the columns, e.g. partition_by: [year, month]",
                    at: place("load"))
            }
        }
        if task.output == nil, task.engine == "command", positions[place("load")] != nil {
            report("task '\(task.name)' has 'load' but no 'output'", hint: "remove 'load' or add 'output'", at: place("load"))
        }
    }

    /// The SQL file or the executable is in the bundle and is what it should be.
    private mutating func checkPrograms(_ task: TaskSpec, _ flow: String) {
        if let path = task.sql, let file = file(path, at: .part(flow, task.name, "sql")) {
            if let text = String(validating: file.contents, as: UTF8.self), !text.utf8.contains(0) {
                check(sql: text, at: nil, in: path)
            } else {
                report("the SQL file is not valid UTF-8 text", hint: "save it as UTF-8", at: nil, in: path)
            }
        }
        guard let command = task.command, let program = command.first else { return }
        if let file = file(program, at: .item(flow, task.name, "command", 0)), !file.isExecutable {
            report(
                "the file is run by task '\(task.name)' but is not executable", hint: "chmod +x \(program)", at: nil, in: program)
        }
        for (index, argument) in command.enumerated().dropFirst() {
            checkTemplate(argument, at: .item(flow, task.name, "command", index))
        }
    }

    private mutating func file(_ path: String, at place: ManifestReader.Place) -> BundleFile? {
        if let fault = BundlePath.fault(in: path) {
            report("the path '\(path.prefix(80))' \(fault)", hint: "write a path relative to the bundle's folder", at: place)
            return nil
        }
        guard let file = files[path] else {
            let nearest = self.nearest(path, among: files.keys)
            report("the bundle has no file '\(path)'", hint: nearest.map { "did you mean '\($0)'?" } ?? "add it", at: place)
            return nil
        }
        usedFiles.insert(path)
        return file
    }

    /// `file` is `nil` for SQL in the manifest, whose own lines are not known: `position` stands for all.
    mutating func check(sql: String, at position: SourcePosition?, in file: String?) {
        let scan = SQLScan(sql)
        for fault in scan.faults { report(fault.message, hint: fault.hint, at: position ?? fault.position, in: file) }
        let names = (manifest.parameters + manifest.variables).map(\.name) + Manifest.builtInVariables
        for variable in scan.variables where !names.contains(variable.name) {
            let nearest = self.nearest(variable.name, among: names).map { "did you mean '\($0)'?" }
            report(
                "getvariable('\(variable.name.prefix(80))') asks for what is no parameter or variable",
                hint: nearest ?? "there are: \(names.joined(separator: ", "))", at: position ?? variable.position, in: file)
        }
    }

    @discardableResult
    private mutating func checkTemplate(_ text: String, at place: ManifestReader.Place) -> Template? {
        let template: Template
        do {
            template = try Template(text)
        } catch {
            report(error.description, hint: error.hint ?? "", at: place)
            return nil
        }
        func unknown(_ name: String, _ noun: String, _ specs: [ParameterSpec]) {
            guard !specs.contains(where: { $0.name == name }) else { return }
            let nearest = self.nearest(name, among: specs.map(\.name)).map { "did you mean '\($0)'?" }
            report(
                "'\(text.prefix(80))' refers to no \(noun): '\(name)'", hint: nearest ?? "declare it under '\(noun)s'", at: place)
        }
        for part in template.parts {
            switch part {
            case .variable(let name): unknown(name, "variable", manifest.variables)
            case .parameter(let name): unknown(name, "parameter", manifest.parameters)
            case .literal: break
            }
        }
        return template
    }

    private mutating func check(_ source: SourceSpec, _ task: TaskSpec, _ flow: String) {
        let place = ManifestReader.Place.part(flow, task.name, "source")
        if let template = checkTemplate(source.path, at: place) {
            // Where data is differs between environments; and a bundle must not read what it likes of a machine.
            let first = template.parts.first
            let isRooted = manifest.variables.contains { $0.type == .path && first == .variable($0.name) }
            let isDeclared = template.parts.allSatisfy {
                if case .variable(let name) = $0 { manifest.variables.contains { $0.name == name } } else { true }
            }
            if !isRooted, isDeclared, !source.path.isEmpty {
                report(
                    "the source's path '\(source.path.prefix(80))' does not start with a variable of type path",
                    hint: "write e.g. ${variables.raw_dir}/flights*.csv and declare raw_dir under 'variables'", at: place)
            }
            if source.path.split(separator: "/").contains("..") || source.path.unicodeScalars.contains(where: { $0.value < 0x20 })
            {
                report("the source's path has a '..' or a control character", hint: "write where the files are", at: place)
            }
        }
        var names: [String: String] = [:]
        for column in source.columns {
            if let other = names.updateValue(column.name, forKey: column.name.lowercased()) {
                report(
                    "the columns '\(other)' and '\(column.name)' differ only in upper and lower case",
                    hint: "SQL does not tell them apart; rename one in the data", at: place)
            }
        }
        let known = Set(names.keys).union(ManifestReader.auditColumns)
        for key in task.load.keys + task.load.partitionBy where !known.contains(key.lowercased()) {
            report("the source has no column '\(key)'", hint: "declare it under 'columns' of the source", at: place)
        }
    }

    private mutating func check(_ check: CheckSpec, _ task: TaskSpec, at place: ManifestReader.Place) {
        switch check.rule {
        case .relationships(_, let to, _):
            if !task.inputs.contains(to) {
                report(
                    "the check compares with \(to), which is no input of task '\(task.name)'", hint: "add it to 'inputs'",
                    at: place)
            }
        case .sql(let query):
            if let position = positions[place] { self.check(sql: query, at: position, in: nil) }
        case .notNull(let column), .acceptedValues(let column, _), .range(let column, _, _), .freshness(let column, _):
            checkColumns([column], task, at: place)
        case .unique(let columns): checkColumns(columns, task, at: place)
        case .rowCount: break
        }
    }

    /// Only an ingest's columns are known before it runs.
    private mutating func checkColumns(_ columns: [String], _ task: TaskSpec, at place: ManifestReader.Place) {
        guard let source = task.source else { return }
        let known = (source.columns.map(\.name) + ManifestReader.auditColumns)
        for column in columns where !known.contains(where: { $0.lowercased() == column.lowercased() }) {
            let nearest = self.nearest(column, among: known).map { "did you mean '\($0)'?" }
            report("the source has no column '\(column)'", hint: nearest ?? "declare it under 'columns' of the source", at: place)
        }
    }
}
