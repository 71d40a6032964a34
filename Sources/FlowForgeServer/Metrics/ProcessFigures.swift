import Foundation

/// What this process uses, under the names that Prometheus' own client libraries use. Read from
/// `/proc`; where there is none the metrics are left out.
enum ProcessFigures {
    static func write(to page: inout PrometheusText) {
        if let stat = Stat() {
            page.add(.counter, "process_cpu_seconds_total", "CPU time of the process, user and system.", stat.cpuSeconds)
            page.add(.gauge, "process_resident_memory_bytes", "Memory that the process holds in RAM.", stat.residentBytes)
            page.add(.gauge, "process_virtual_memory_bytes", "Address space of the process.", stat.virtualBytes)
            if let boot = bootTime() {
                page.add(
                    .gauge, "process_start_time_seconds", "When the process started, since 1970.",
                    boot + stat.startedAfterBoot)
            }
        }
        if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
            page.add(.gauge, "process_open_fds", "File descriptors that are open.", Double(open))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            page.add(.gauge, "process_max_fds", "File descriptors that may be open.", Double(limit.rlim_cur))
        }
    }

    /// proc(5), `/proc/pid/stat`.
    struct Stat {
        var cpuSeconds: Double
        var startedAfterBoot: Double
        var virtualBytes: Double
        var residentBytes: Double

        init?() {
            guard let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
                // The name, in parentheses, may hold anything; the numbered fields follow the last one.
                let end = text.lastIndex(of: ")")
            else { return nil }
            let fields = text[text.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
            // The first here is field 3.
            guard fields.count > 21 else { return nil }
            let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
            cpuSeconds = (fields[11] + fields[12]) / ticks
            startedAfterBoot = fields[19] / ticks
            virtualBytes = fields[20]
            residentBytes = fields[21] * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
    }

    private static func bootTime() -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8) else { return nil }
        return text.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }
}
