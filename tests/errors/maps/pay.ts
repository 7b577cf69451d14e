interface Order {
  id: number;
  lines?: { price: number }[];
}

function charge(order: Order): number[] {
  return order.lines!.map((line) => line.price);
}

export function pay(order: Order): number[] {
  const prices = charge(order);
  return prices.sort();
}
