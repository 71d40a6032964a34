import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// A bundle's folder on the way to the control plane.
struct PackedFolder {
    let folder: String
    let console: Console

    /// Whether `text` names a folder here, rather than a bundle of the registry.
    static func isFolder(_ text: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: text, isDirectory: &isFolder) && isFolder.boolValue
    }

    var bundle: BundleFolder { BundleFolder(URL(filePath: folder)) }

    /// Validates and packs. What is wrong is printed, all of it, and ends the command.
    func build() throws -> PackedBundle {
        let packed = try telling { () throws(BundleProblems) in try BundleBuilder.build(bundle) }
        noteMissingLock()
        return packed
    }

    func validate() throws -> Manifest {
        let manifest = try telling { () throws(BundleProblems) in try BundleBuilder.validate(bundle) }
        noteMissingLock()
        return manifest
    }

    private func noteMissingLock() {
        guard !FileManager.default.fileExists(atPath: bundle.url.appending(path: BundleLock.fileName).path) else { return }
        console.note("the bundle has no \(BundleLock.fileName), so its columns are not known: `flowforge bundle lock \(folder)`")
    }

    /// Prints what is wrong with the bundle, and ends the command.
    func telling<Result>(_ body: () throws(BundleProblems) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw tell(error)
        }
    }

    func tell(_ problems: BundleProblems) -> Ended {
        console.tell(problems, code: .invalidBundle, of: "the bundle has", below: folder)
    }

    /// Validates, packs, signs where a key is given, and pushes.
    func push(signedBy options: SigningOptions, to client: OperatorClient) async throws -> OperatorAPI.BundleView {
        let signing = try options.signing(console)
        let started = Date()
        let bundle = try build()
        return try await push(bundle, signed: try signing?.attest(bundle, folder: folder, started: started), to: client)
    }

    /// Sends what the control plane does not have, then registers the bundle, together with its signature.
    private func push(
        _ bundle: PackedBundle, signed attestation: Attestation?, to client: OperatorClient
    ) async throws -> OperatorAPI.BundleView {
        let blobs = bundle.blobs + (attestation?.blobs ?? [])
        let all = blobs.reduce(0) { $0 + Int64($1.bytes.count) }
        var (done, sent): (Int64, Int64) = (0, 0)
        do {
            defer { console.progress("") }
            for blob in blobs {
                console.progress("pushing \(Figures.bytes(done)) of \(Figures.bytes(all))")
                let bytes = Int64(blob.bytes.count)
                if try await client.putBlob(blob.descriptor.digest, from: .bytes(blob.bytes)) { sent += bytes }
                done += bytes
            }
        }
        let result = try await client.pushBundle(
            digest: bundle.digest, attestations: attestation.map { [$0.digest] } ?? [])
        console.note(
            "\(bundle.manifest.name)@\(bundle.manifest.version) "
                + (result.created ? "pushed (\(Figures.bytes(sent)) sent)" : "was in the registry already") + ", \(bundle.digest)"
        )
        return result.bundle
    }
}

extension Console {
    /// Prints everything that is wrong with files, whose paths are relative to `folder`; ends the command.
    func tell(_ problems: Problems, code: ErrorCode, of what: String, below folder: String) -> Ended {
        if json {
            let report = ProblemReport(problems.all, code: code, of: what)
            complain((try? WireCoding.encode(report)).map { String(decoding: $0, as: UTF8.self) } ?? "\(problems)")
        } else {
            complain(ProblemReport.text(problems.all, below: folder, noteStyle))
        }
        return Ended(status: .failed)
    }
}

/// Every problem of files, in the error's form: `{"error": {"code": "invalid_bundle", …, "problems": […]}}`.
struct ProblemReport: Encodable {
    struct Content: Encodable {
        var code: ErrorCode
        var message: String
        var hint: String?
        var metadata: [String: String] = [:]
        var problems: [Problem]
    }
    var error: Content

    init(_ problems: [Problem], code: ErrorCode, of what: String) {
        let number = Figures.count(Int64(problems.count), "problem")
        error = Content(code: code, message: "\(what) \(number)", hint: nil, problems: problems)
    }

    /// `file:line:column: error: …`, as compilers write it, so that editors jump there.
    static func text(_ problems: [Problem], below folder: String, _ style: Style) -> String {
        var lines: [String] = []
        for problem in problems {
            let path = folder == "." || problem.file.hasPrefix("/") ? problem.file : "\(folder)/\(problem.file)"
            let place = [path, problem.line.map(String.init), problem.column.map(String.init)]
            lines.append(
                style.paint(place.compactMap(\.self).joined(separator: ":") + ":", .bold) + " "
                    + style.paint("error:", .bold, .red) + " \(problem.message)")
            if let hint = problem.hint { lines.append("  \(style.paint("hint:", .cyan)) \(hint)") }
        }
        lines.append(Figures.count(Int64(problems.count), "problem") + " found")
        return lines.joined(separator: "\n")
    }
}

extension CommandError {
    static func noBundle(_ text: String) -> CommandError {
        CommandError(
            .notFound, .notFound, "'\(text)' is no folder here, nor is it NAME@VERSION or a digest",
            hint: "give the folder that holds \(BundleFolder.manifestName), or see `flowforge bundle list`")
    }
}
