import FlowForgeProtocol
import Hummingbird
import Synchronization

/// Counts the answers of both APIs and how long they took. Labels are few and fixed: the part of the
/// API and the class of the status, never an address or a name.
public final class RequestFigures: Sendable {
    /// What a request was to. Long polls are kept apart: they take as long as nothing happens.
    public enum API: String, Sendable, CaseIterable {
        case operator_ = "operator"
        case agent, poll
    }

    /// Upper bounds in seconds.
    static let buckets: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private struct Record {
        var byStatus = [Int](repeating: 0, count: 6)
        /// Not cumulative; the last is for what is above all bounds.
        var byBucket = [Int](repeating: 0, count: RequestFigures.buckets.count + 1)
        var seconds = 0.0
    }

    private let records = Mutex([API: Record]())

    public init() {}

    func count(_ api: API, status: Int, took duration: Duration) {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        let bucket = Self.buckets.firstIndex { seconds <= $0 } ?? Self.buckets.count
        records.withLock { records in
            records[api, default: Record()].byStatus[min(max(status / 100, 0), 5)] += 1
            records[api, default: Record()].byBucket[bucket] += 1
            records[api, default: Record()].seconds += seconds
        }
    }

    func write(to page: inout PrometheusText) {
        let records = records.withLock { $0 }.sorted { $0.key.rawValue < $1.key.rawValue }
        page.add(
            .counter, "flowforge_http_requests_total",
            "Requests answered, by API (poll: held requests of both) and status class.",
            records.flatMap { api, record in
                record.byStatus.enumerated().filter { $0.element > 0 }.map {
                    PrometheusText.Sample(Double($0.element), ["api": api.rawValue, "status": "\($0.offset)xx"])
                }
            })
        page.add(
            .histogram, "flowforge_http_request_duration_seconds", "Time from a request's head to the head of its answer.",
            records.flatMap { api, record in
                var sum = 0
                let bounds = (Self.buckets + [.infinity]).map(PrometheusText.number)
                let buckets = zip(bounds, record.byBucket).map { bound, count in
                    sum += count
                    return PrometheusText.Sample(
                        Double(sum), suffix: "_bucket", ["api": api.rawValue, "le": bound])
                }
                return buckets + [
                    PrometheusText.Sample(record.seconds, suffix: "_sum", ["api": api.rawValue]),
                    PrometheusText.Sample(Double(sum), suffix: "_count", ["api": api.rawValue]),
                ]
            })
    }
}

/// The outermost middleware of a listener: counts every answer, refusals and unknown addresses too.
struct CountRequests<Context: RequestContext>: RouterMiddleware {
    let figures: RequestFigures
    let api: RequestFigures.API

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let api = Self.isHeld(request) ? .poll : api
        do {
            let response = try await next(request, context)
            figures.count(api, status: response.status.code, took: start.duration(to: .now))
            return response
        } catch {
            let status = (error as? any HTTPResponseError)?.status.code ?? 500
            figures.count(api, status: status, took: start.duration(to: .now))
            throw error
        }
    }

    private static func isHeld(_ request: Request) -> Bool {
        request.uri.path == "\(AgentAPI.basePath)/poll" || request.uri.queryParameters.has("wait")
    }
}
