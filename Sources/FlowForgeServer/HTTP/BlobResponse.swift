internal import FlowForgeProtocol
internal import FlowForgeReleases
internal import Foundation
internal import Hummingbird

/// A blob as an answer: whole, or the range that was asked for (RFC 9110, section 14), so that a
/// download that was cut goes on where it stopped.
struct BlobResponse {
    private let file: URL
    private let digest: String
    private let size: Int64

    /// Throws `not_found` where the registry has no such blob.
    init(_ digest: String, of registry: BundleRegistry) throws {
        file = try registry.blob(digest)
        size = try registry.size(ofBlob: digest) ?? 0
        self.digest = digest
    }

    func response(to request: Request, context: some RequestContext) async throws -> Response {
        var headers: HTTPFields = [
            .contentType: "application/octet-stream", .acceptRanges: "bytes", .eTag: "\"\(digest)\"",
        ]
        switch Self.range(request.headers[.range], size: size) {
        case .whole:
            let body =
                request.method == .head
                ? ResponseBody(contentLength: Int(size)) { try await $0.finish(nil) }
                : try await FileIO().loadFile(path: file.path, context: context)
            return Response(status: .ok, headers: headers, body: body)
        case .part(let bytes):
            headers[.contentRange] = "bytes \(bytes.lowerBound)-\(bytes.upperBound)/\(size)"
            let body = try await FileIO().loadFile(
                path: file.path, range: Int(bytes.lowerBound)...Int(bytes.upperBound), context: context)
            return Response(status: .partialContent, headers: headers, body: body)
        case .unsatisfiable:
            headers[.contentRange] = "bytes */\(size)"
            headers[.contentType] = nil
            return Response(status: .rangeNotSatisfiable, headers: headers)
        }
    }

    enum Requested: Equatable {
        case whole, unsatisfiable
        case part(ClosedRange<Int64>)
    }

    /// One range of bytes is served; several, or a header that cannot be read, are ignored as the RFC allows.
    static func range(_ header: String?, size: Int64) -> Requested {
        guard let header, header.hasPrefix("bytes="), !header.contains(",") else { return .whole }
        let ends = header.dropFirst("bytes=".count).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .whole }
        switch (ends[0].isEmpty, ends[1].isEmpty) {
        case (true, true): return .whole
        case (true, false):
            guard let suffix = Int64(ends[1]), suffix >= 0 else { return .whole }
            return suffix == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - suffix)...size - 1)
        case (false, let toEnd):
            guard let first = Int64(ends[0]), let last = toEnd ? Int64.max : Int64(ends[1]), first >= 0, last >= first else {
                return .whole
            }
            return first >= size ? .unsatisfiable : .part(first...min(last, size - 1))
        }
    }
}
