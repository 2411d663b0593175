"""A curve as SVG: few lines, readable on light and on dark ground."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 280, 64, 44, 16, 120
COLOURS = ["#2f7ed8", "#d9822b", "#3d9970"]


def nice(most):
    """A round number not below this."""
    step = 10 ** (len(str(int(max(most, 1)))) - 1)
    for factor in (1, 2, 2.5, 5, 10):
        if step * factor >= most:
            return step * factor
    return most


def short(value):
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def curve(series, below, beside):
    points = [point for of in series.values() for point in of]
    most_x = max(x for x, _ in points)
    most_y = max(y for _, y in points)
    most_y = nice(most_y) if most_y > 1 else nice(most_y * 100) / 100

    def at(x, y):
        across = LEFT + x / most_x * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - y / most_y * (HEIGHT - BOTTOM - TOP)
        return f"{across:.1f},{down:.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#888" role="img" aria-label="{beside} by {below}">'
    ]
    for quarter in range(5):
        value = most_y * quarter / 4
        _, down = at(0, value).split(",")
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down}" y2="{down}" stroke="#888" opacity=".3"/>')
        out.append(f'<text x="{LEFT - 8}" y="{float(down) + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for x in sorted({x for x, _ in points}):
        across, _ = at(x, 0).split(",")
        out.append(f'<text x="{across}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,}</text>')
    out.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{below}; upwards: {beside}</text>')
    for colour, (name, of) in zip(COLOURS, series.items()):
        of = sorted(of)
        line = " ".join(at(x, y) for x, y in of)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in of:
            across, down = at(x, y).split(",")
            out.append(f'<circle cx="{across}" cy="{down}" r="3.5" fill="{colour}"/>')
        across, down = at(*of[-1]).split(",")
        out.append(f'<text x="{float(across) + 10:.1f}" y="{float(down) + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])
