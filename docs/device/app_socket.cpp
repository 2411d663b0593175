// A program on the device that tells the agent how it is, and puts an update off while it is at something.
// g++ -std=c++17 -o app app_socket.cpp && ./app /run/fleetward/apps.sock
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

class Agent {
public:
    explicit Agent(const std::string &path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (::connect(socket_, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
            throw std::runtime_error("the agent's socket " + path + " does not answer");
    }
    ~Agent() { ::close(socket_); }
    Agent(const Agent &) = delete;
    Agent &operator=(const Agent &) = delete;

    void say(const std::string &line) {
        const std::string bytes = line + "\n";
        for (size_t sent = 0; sent < bytes.size();) {
            const ssize_t n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) throw std::runtime_error("the agent is gone");
            sent += static_cast<size_t>(n);
        }
    }

    // The next line; empty when the agent is gone. A real program would give it to its JSON library.
    std::string hear() {
        for (;;) {
            const size_t end = buffer_.find('\n');
            if (end != std::string::npos) {
                std::string line = buffer_.substr(0, end);
                buffer_.erase(0, end + 1);
                return line;
            }
            char bytes[4096];
            const ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
            if (n <= 0) return {};
            buffer_.append(bytes, static_cast<size_t>(n));
        }
    }

private:
    int socket_;
    std::string buffer_;
};

int main(int, char **argv) try {
    Agent agent(argv[1]);
    agent.say(R"({"status":{"process":"app1","status":"at stop 12"}})");
    std::cout << agent.hear() << std::endl;
    agent.say(R"({"extra":{"fields":{"weather":"rain","doors":{"front":"open"}}}})");
    std::cout << agent.hear() << std::endl;
    agent.say(R"({"updates":true})");
    for (std::string line = agent.hear(); !line.empty(); line = agent.hear()) {
        std::cout << line << std::endl;
        // An update is there: not while the doors are open. Once they are closed: {"delay":{"seconds":0}}.
        if (line.find(R"("state":"waiting")") != std::string::npos) agent.say(R"({"delay":{"seconds":1}})");
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
}
